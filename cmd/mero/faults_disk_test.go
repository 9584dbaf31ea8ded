package main_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"mero/node/api"
	"mero/node/sdk/examples"
)

const diskSize = "200m"

// smallDisk is a file system of its own.
func smallDisk(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("needs Linux and root to mount a small tmpfs")
	}
	mount := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+diskSize, "tmpfs", mount).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a tmpfs here (needs CAP_SYS_ADMIN): %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return mount
}

// ballast fills a disk until so many bytes are free.
type ballast struct {
	t    *testing.T
	path string
}

func (b ballast) leave(free int64) {
	b.t.Helper()
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(b.t, err)
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		left := diskFree(b.t, filepath.Dir(b.path)) - free
		if left <= 0 {
			return
		}
		if _, err := f.Write(block[:min(left, int64(len(block)))]); err != nil {
			return // the others were faster: it is full
		}
	}
}

func (b ballast) drop() {
	b.t.Helper()
	must(b.t, os.Remove(b.path))
}

// diskFree is the space that is left.
func diskFree(t *testing.T, dir string) int64 {
	t.Helper()
	free, err := freeBytes(dir)
	must(t, err)
	return free
}

// TestDiskFull fills the disk of a node that takes writes, and frees it (F5).
func TestDiskFull(t *testing.T) {
	rng := seeded(t)
	disk := smallDisk(t)
	p := placeAt(t, disk)
	home := p.home(t, "n")
	shareCache(t, home, t.TempDir())
	proc := p.start(t, "n")
	client := p.client(t, "n", proc)
	l := newLedger(t, client, 2, 2, 5)
	weight := ballast{t, filepath.Join(disk, "ballast")}

	// Full enough for the node to stop writing, while it writes.
	w := l.write(t, client, rng)
	goal := l.acked.Load() + 20
	eventually(t, "writes are acknowledged", func() bool { return l.acked.Load() > goal })
	weight.leave(50 << 20)
	eventually(t, "writes are refused", func() bool { return l.refused.Load() > 20 })
	isReadOnly(t, p, proc, client)
	// Full to the last byte: what only reads goes on.
	weight.leave(0)
	refused := l.refused.Load()
	eventually(t, "writes are refused", func() bool { return l.refused.Load() > refused+20 })
	isReadOnly(t, p, proc, client)
	w.alive(t)
	l.check(t, client)

	// Freed: it writes again by itself.
	weight.drop()
	w = l.write(t, client, rng)
	goal = l.acked.Load() + 20
	eventually(t, "writes are acknowledged again", func() bool { return l.acked.Load() > goal })
	writesAgain(t, p, proc, client)
	w.alive(t)
	l.check(t, client)

	// Killed while full: it opens where there is room to, and says why where not.
	w = l.write(t, client, rng)
	weight.leave(50 << 20)
	refused = l.refused.Load()
	eventually(t, "writes are refused", func() bool { return l.refused.Load() > refused })
	proc.kill()
	proc.wait(t)
	w.after(t)
	proc = p.start(t, "n")
	client = p.client(t, "n", proc)
	isReadOnly(t, p, proc, client)
	l.check(t, client)

	proc.kill()
	proc.wait(t)
	for _, left := range []int64{8 << 20, 0} {
		weight.leave(left)
		failed := p.run(t, "node", "run", "--node", "n")
		if code := failed.wait(t); code != 1 || !strings.Contains(failed.stderr.String(), "disk is full") {
			t.Errorf("start with %d bytes free: exit code %d, want 1 and the reason\n%s", left, code, &failed.stderr)
		}
	}
	weight.drop()
	proc = p.start(t, "n")
	client = p.client(t, "n", proc)
	l.check(t, client)
	w = l.write(t, client, rng)
	goal = l.acked.Load() + 10
	eventually(t, "writes are acknowledged after a restart", func() bool { return l.acked.Load() > goal })

	// Stopped in order while full: with the reserve left as ever, and with nothing
	// left it ends as if it was killed, and says so.
	for left, want := range map[int64]int{50 << 20: 0, 0: 1} {
		weight.leave(left)
		proc.term()
		code := proc.wait(t)
		w.after(t)
		said := strings.Contains(proc.stderr.String(), "closing in order needs")
		// A compaction that badger was in when the last byte went dies by SIGBUS in
		// its mapped file, which no caller can prevent: it acts like a kill.
		died := left == 0 && code == 2 && strings.Contains(proc.stderr.String(), "SIGBUS")
		if !died && (code != want || said != (want == 1)) {
			t.Errorf("SIGTERM with %d bytes free: exit code %d, want %d\n%s", left, code, want, &proc.stderr)
		}
		weight.drop()
		proc = p.start(t, "n")
		client = p.client(t, "n", proc)
		l.check(t, client)
		w = l.write(t, client, rng)
		goal = l.acked.Load() + 10
		eventually(t, "writes are acknowledged after a stop", func() bool { return l.acked.Load() > goal })
	}
	w.stop()
	proc.kill()
	proc.wait(t)
	t.Logf("%d acknowledged writes, %d refused", l.acked.Load(), l.refused.Load())
	verify(t, home)
}

// isReadOnly holds that a node says that it cannot write, wherever it is asked.
func isReadOnly(t *testing.T, p *place, proc *process, client *api.Client) {
	t.Helper()
	ready, err := client.Ready(t.Context())
	must(t, err)
	if status, _ := get(t, p, proc, "/ready"); ready.Ready || !strings.Contains(ready.Reason, "disk is full") || status != http.StatusServiceUnavailable {
		t.Errorf("/ready: %d %+v, want 503 and the reason", status, ready)
	}
	if n := gauge(t, p, proc); n != "1" {
		t.Errorf("mero_store_read_only_count is %s", n)
	}
	status, err := client.Status(t.Context())
	must(t, err)
	if !strings.Contains(status.ReadOnly, "disk is full") {
		t.Errorf("the status says %q", status.ReadOnly)
	}
	apps, err := client.Applications(t.Context())
	must(t, err)
	ctx := t.Context()
	for site, err := range map[string]error{
		"create a context": fails(client.CreateContext(ctx, api.CreateContextRequest{
			ApplicationID: apps[0].ID, InitializationParams: api.Bytes("{}"),
		})),
		"install":       fails(client.Upload(ctx, strings.NewReader(string(examples.KV())+"\x00\x02\x01x"), api.UploadOptions{Name: "new.wasm"})),
		"name":          client.CreateAlias(ctx, api.AliasScope{Kind: api.AliasApplication}, "kv", api.ID(apps[0].ID)),
		"make a key":    fails(client.NewIdentity(ctx)),
		"issue a token": fails(client.IssueToken(ctx, api.IssueTokenRequest{Name: "x", Scopes: []string{"admin"}})),
	} {
		var answer *api.Error
		if !errors.As(err, &answer) || answer.Status != http.StatusServiceUnavailable || answer.Kind != api.KindReadOnly || !strings.Contains(answer.Message, "full") {
			t.Errorf("%s on a full disk: %#v, want 503 %s", site, err, api.KindReadOnly)
		}
	}
	if again, err := client.Applications(ctx); err != nil || len(again) != len(apps) {
		t.Errorf("%d applications (%v), %d before", len(again), err, len(apps))
	}
}

// writesAgain holds that it says so no more.
func writesAgain(t *testing.T, p *place, proc *process, client *api.Client) {
	t.Helper()
	ready, err := client.Ready(t.Context())
	must(t, err)
	if status, _ := get(t, p, proc, "/ready"); !ready.Ready || status != http.StatusOK {
		t.Errorf("/ready: %d %+v after space was freed", status, ready)
	}
	if n := gauge(t, p, proc); n != "0" {
		t.Errorf("mero_store_read_only_count is %s after space was freed", n)
	}
}

func fails[T any](_ T, err error) error { return err }

// get is a request by hand.
func get(t *testing.T, p *place, proc *process, path string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, proc.addr+path, http.NoBody)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+p.home(t, "n").Token())
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

// gauge is what /metrics says of the store being read-only.
func gauge(t *testing.T, p *place, proc *process) string {
	t.Helper()
	_, page := get(t, p, proc, "/metrics")
	found := regexp.MustCompile(`(?m)^mero_store_read_only_count (\S+)`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal("no metric mero_store_read_only_count")
	}
	return strings.TrimSuffix(found[1], ".0")
}
