package netkit_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"

	"mero/netkit"
)

func TestLoadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "peer.key")
	first, err := netkit.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := netkit.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if first.PeerID() == "" || first.PeerID() != again.PeerID() {
		t.Errorf("peer ids %q and %q, want the same", first.PeerID(), again.PeerID())
	}
	other, err := netkit.LoadKey(filepath.Join(t.TempDir(), "peer.key"))
	if err != nil {
		t.Fatal(err)
	}
	if other.PeerID() == first.PeerID() {
		t.Error("two nodes have one key")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want the key alone", entries, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if st, err := os.Stat(name); err != nil || st.Mode() != want {
			t.Errorf("%s has mode %v (%v), want %v", name, st.Mode(), err, want)
		}
	}
}

// TestLoadKeyAtOnce: several processes that make a key at the same moment have
// the same one, since each may start a node with it.
func TestLoadKeyAtOnce(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "keys", "peer.key")
		var group sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			group.Go(func() {
				key, err := netkit.LoadKey(path)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = key.PeerID()
			})
		}
		group.Wait()
		if slices.Sort(ids); ids[0] != ids[len(ids)-1] {
			t.Fatalf("one file gave the peers %v", slices.Compact(ids))
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Fatalf("the directory holds %v (%v), want the key alone", entries, err)
		}
	}
}

func TestLoadKeyDamaged(t *testing.T) {
	good := filepath.Join(t.TempDir(), "peer.key")
	if _, err := netkit.LoadKey(good); err != nil {
		t.Fatal(err)
	}
	bytes, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte {
		b := slices.Clone(bytes)
		b[i] ^= 1
		return b
	}
	secp, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := crypto.MarshalPrivateKey(secp)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "damaged"},
		{"cut", bytes[:len(bytes)-1], "damaged"},
		{"text", []byte("not a key"), "damaged"},
		{"private half", flip(10), "damaged"},
		{"public half", flip(len(bytes) - 1), "damaged"},
		{"another kind", foreign, "not an Ed25519"},
	} {
		path := filepath.Join(t.TempDir(), "peer.key")
		if err := os.WriteFile(path, tt.b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := netkit.LoadKey(path)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q and the file's name", tt.name, err, tt.want)
		}
		if after, err := os.ReadFile(path); err != nil || !slices.Equal(after, tt.b) {
			t.Errorf("%s: the file was changed (%v)", tt.name, err)
		}
	}
	if _, err := netkit.LoadKey(t.TempDir()); err == nil {
		t.Error("a directory was read as a key")
	}
}
