package node_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"mero/node"
)

func testHome(t *testing.T) node.Home {
	t.Helper()
	home, err := node.HomeAt(t.TempDir(), "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(home.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	return home
}

func TestHomeNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "-x", "../x"} {
		if home, err := node.HomeAt(t.TempDir(), name); err == nil {
			t.Errorf("%q is accepted as %s", name, home.Dir())
		}
	}
}

func TestLock(t *testing.T) {
	home := testHome(t)
	if _, running := home.Running(); running {
		t.Fatal("an empty home is said to be in use")
	}
	lock, err := home.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if pid, running := home.Running(); !running || pid != os.Getpid() {
		t.Fatalf("Running: got %d, %v, want this process", pid, running)
	}
	_, err = home.Lock(t.Context())
	var used *node.InUseError
	if !errors.As(err, &used) || used.PID != os.Getpid() {
		t.Fatalf("the second lock: got %v, want an InUseError with this process", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, running := home.Running(); running {
		t.Fatal("a released home is said to be in use")
	}
	lock, err = home.Lock(t.Context())
	if err != nil {
		t.Fatalf("lock again: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestStaleAddrs holds that addresses which a killed node left are not believed.
func TestStaleAddrs(t *testing.T) {
	home := testHome(t)
	if err := os.WriteFile(home.APIAddrFile(), []byte("http://127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := home.APIAddrs(); got != nil {
		t.Fatalf("got %v without a running node", got)
	}
	lock, err := home.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release() //nolint:errcheck // the directory goes with the test
	if got := home.APIAddrs(); got != nil {
		t.Fatalf("got %v of another node while this one has the home", got)
	}
	if err := os.WriteFile(home.APIAddrFile(), []byte("http://127.0.0.1:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := home.APIAddrs(); len(got) != 1 || got[0] != "http://127.0.0.1:2" {
		t.Fatalf("got %v with a running node", got)
	}
}

func TestLogLevels(t *testing.T) {
	var out bytes.Buffer
	logs, err := node.NewLogs(&out, node.LogConfig{Level: "warn,syncer=debug,noisy=off", Format: "auto"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"store", "syncer", "noisy"} {
		log := logs.For(pkg)
		log.Debug().Msg("d-" + pkg)
		log.Error().Msg("e-" + pkg)
	}
	for word, want := range map[string]bool{
		"d-store": false, "e-store": true, "d-syncer": true, "e-syncer": true, "d-noisy": false, "e-noisy": false,
		`"pkg":"syncer"`: true,
	} {
		if got := strings.Contains(out.String(), word); got != want {
			t.Errorf("%s in the log: got %v, want %v\n%s", word, got, want, &out)
		}
	}
	for _, bad := range []string{"loud", "info,=debug", "info,syncer=", "info,syncer"} {
		if _, err := node.ParseLevels(bad); err == nil {
			t.Errorf("level %q is accepted", bad)
		}
	}
}
