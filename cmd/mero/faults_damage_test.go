package main_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node"
)

// image is the home of a node that was killed, with tables and a log in its
// store, and what it acknowledged.
type image struct {
	home   node.Home
	ledger *ledger
	cache  string
}

func newImage(t *testing.T, rng *rand.Rand) *image {
	t.Helper()
	p := newPlace(t)
	im := &image{home: p.home(t, "n"), cache: t.TempDir()}
	shareCache(t, im.home, im.cache)
	for round := range 2 {
		proc := p.start(t, "n")
		client := p.client(t, "n", proc)
		if im.ledger == nil {
			im.ledger = newLedger(t, client, 1, 3, 5)
		}
		w := im.ledger.write(t, client, rng)
		goal := im.ledger.acked.Load() + 40
		eventually(t, "writes are acknowledged", func() bool { return im.ledger.acked.Load() > goal })
		w.alive(t)
		im.ledger.check(t, client)
		if round == 0 {
			proc.term() // leaves tables
		} else {
			proc.kill() // leaves a log
		}
		proc.wait(t)
	}
	return im
}

// copy is a home like the image's, in a place of its own.
func (im *image) copy(t *testing.T) (*place, node.Home) {
	t.Helper()
	p := newPlace(t)
	home := p.home(t, "n")
	shareCache(t, home, im.cache)
	must(t, filepath.WalkDir(im.home.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		to := filepath.Join(home.Dir(), strings.TrimPrefix(path, im.home.Dir()))
		if d.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		return copyFile(path, to)
	}))
	return p, home
}

// copyFile copies a file whose end may be a hole.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	used := len(b)
	for used > 0 && b[used-1] == 0 {
		used--
	}
	err = os.WriteFile(to, b[:used], 0o600)
	return errors.Join(err, os.Truncate(to, int64(len(b))))
}

// file finds the newest file of a pattern in a home.
func file(t *testing.T, home node.Home, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(home.Dir(), pattern))
	must(t, err)
	found = slices.DeleteFunc(found, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular() && info.Size() < 64 && filepath.Ext(path) == ".sst"
	})
	if len(found) == 0 {
		t.Fatalf("no %s in %s", pattern, home.Dir())
	}
	return found[len(found)-1]
}

// contents are the hashes of all files of a home but those that every start
// writes.
func contents(t *testing.T, home node.Home) map[string]string {
	t.Helper()
	out := make(map[string]string)
	must(t, filepath.WalkDir(home.Dir(), func(path string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(path, home.Dir()+string(filepath.Separator))
		if err != nil || !d.Type().IsRegular() || slices.Contains([]string{"lock", "db.lock", "api.addr", "p2p.addr"}, rel) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		out[rel] = fmt.Sprintf("%v %x", info.Mode(), sha256.Sum256(b))
		return err
	}))
	return out
}

// The ways to damage a file.

func flipIn(t *testing.T, path string) {
	change(t, path, func(b []byte) []byte { b[len(b)*2/3] ^= 0x10; return b })
}

func halve(t *testing.T, path string) {
	change(t, path, func(b []byte) []byte { return b[:len(b)/2] })
}

// behead leaves a tenth, in which is what a home is before it is written to: of a slow
// machine's few writes, half a log may hold none.
func behead(t *testing.T, path string) {
	change(t, path, func(b []byte) []byte { return b[:len(b)/10] })
}

func garble(t *testing.T, path string) {
	change(t, path, func([]byte) []byte { return []byte("nothing = [ that belongs here") })
}

func empty(t *testing.T, path string) { change(t, path, func([]byte) []byte { return nil }) }

func remove(t *testing.T, path string) {
	t.Helper()
	must(t, os.RemoveAll(path))
}

func expose(t *testing.T, path string) {
	t.Helper()
	must(t, os.Chmod(path, 0o644))
}

// change rewrites what is used of a file, and leaves its length when the rest
// was a hole.
func change(t *testing.T, path string, how func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	used := len(b)
	for used > 0 && b[used-1] == 0 {
		used--
	}
	must(t, os.WriteFile(path, how(b[:used]), 0o600))
}

// TestDamage damages homes in all ways below; the last one changes the ledger.
func TestDamage(t *testing.T) {
	onUnix(t) // modes
	rng := seeded(t)
	im := newImage(t, rng)
	t.Run("file", func(t *testing.T) { im.files(t, rng) })
	t.Run("blob", func(t *testing.T) { im.blobs(t, rng) })
	t.Run("random", func(t *testing.T) { im.random(t, rng) })
	t.Run("loss", func(t *testing.T) { im.loss(t, rng) })
}

// files damages one file of a home at a time (F4). The node refuses to
// start, names it and says what to do, changes nothing, and starts with all it
// had once the file is restored. Or the file holds nothing that is needed.
func (im *image) files(t *testing.T, rng *rand.Rand) {
	t.Helper()
	type damaged struct {
		name   string
		file   string
		damage func(*testing.T, string)
		code   int      // 0: it starts, with all that was acknowledged
		words  []string // besides the file's name
	}
	for _, tt := range some(t, rng, []damaged{
		{"log cut", "db/*.mem", halve, 1, []string{"acknowledged transactions are lost", "storage.accept_loss"}},
		{"log flipped", "db/*.mem", flipIn, 1, []string{"acknowledged transactions are lost", "storage.accept_loss"}},
		{"table flipped", "db/*.sst", flipIn, 1, []string{"damaged", "restore a backup"}},
		{"table cut", "db/*.sst", halve, 1, []string{"damaged", "restore a backup"}},
		{"table gone", "db/*.sst", remove, 1, []string{"is missing", "restore a backup"}},
		{"manifest flipped", "db/MANIFEST", flipIn, 1, []string{"damaged", "restore a backup"}},
		{"manifest gone", "db/MANIFEST", remove, 1, []string{"is missing", "restore a backup"}},
		{"store gone", "db", remove, 1, []string{"is empty, but its anchor is not", "storage.accept_loss"}},
		{"registry flipped", "db/KEYREGISTRY", flipIn, 0, nil},
		{"anchor garbled", "db.anchor", garble, 0, nil},
		{"anchor gone", "db.anchor", remove, 0, nil},

		{"settings garbled", "config.toml", garble, 2, []string{"config.toml"}},
		{"peer key flipped", "keys/peer.key", flipIn, 1, []string{"restore it from a backup, or remove it"}},
		{"peer key empty", "keys/peer.key", empty, 1, []string{"restore it from a backup, or remove it"}},
		{"token key garbled", "keys/auth.key", garble, 1, []string{"restore it, or remove it"}},
		{"token key cut", "keys/auth.key", halve, 1, []string{"restore it, or remove it"}},
		{"token key exposed", "keys/auth.key", expose, 1, []string{"chmod 600"}},
		{"token exposed", "token", expose, 1, []string{"chmod 600"}},
		{"token garbled", "token", garble, 0, nil},
		{"token empty", "token", empty, 0, nil},
		{"lock garbled", "lock", garble, 0, nil},
		{"stale address garbled", "api.addr", garble, 0, nil},
	}) {
		t.Run(tt.name, func(t *testing.T) {
			p, home := im.copy(t)
			path := file(t, home, tt.file)
			tt.damage(t, path)
			if tt.code == 0 {
				proc := p.start(t, "n")
				im.ledger.check(t, p.client(t, "n", proc))
				return
			}
			before := contents(t, home)
			proc := p.run(t, "node", "run", "--node", "n")
			code := proc.wait(t)
			for _, word := range append(tt.words, path) {
				if said := proc.stderr.String(); code != tt.code || !strings.Contains(said, word) {
					t.Fatalf("exit code %d, want %d and %q\n%s", code, tt.code, word, said)
				}
			}
			after := contents(t, home)
			if tt.file == "token" { // it is looked at when the store is open, which replays its log
				maps.DeleteFunc(before, inStore)
				maps.DeleteFunc(after, inStore)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("a start that failed changed the home: %s", diff)
			}
			// With the file back, everything is there.
			from := filepath.Join(im.home.Dir(), strings.TrimPrefix(path, home.Dir()))
			restore(t, from, path)
			proc = p.start(t, "n")
			im.ledger.check(t, p.client(t, "n", proc))
		})
	}
}

func inStore(name, _ string) bool { return strings.HasPrefix(name, "db") }

// restore puts a file or directory back.
func restore(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.RemoveAll(to))
	must(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.Mkdir(at, 0o700)
		}
		return copyFile(path, at)
	}))
}

// blobs: an application whose code is damaged is not run. The node
// starts, since nothing else needs it, calls say which file it is, and
// installing the same application again repairs it.
func (im *image) blobs(t *testing.T, rng *rand.Rand) {
	t.Helper()
	type damaged struct {
		name, file string
		damage     func(*testing.T, string)
	}
	for _, tt := range some(t, rng, []damaged{
		{"chunk flipped", "blobs/chunks/*/*", flipIn},
		{"chunk cut", "blobs/chunks/*/*", halve},
		{"chunk gone", "blobs/chunks/*/*", remove},
		{"manifest flipped", "blobs/blobs/*/*", flipIn},
		{"manifest cut", "blobs/blobs/*/*", halve},
		{"manifest gone", "blobs/blobs/*/*", remove},
	}) {
		t.Run(tt.name, func(t *testing.T) {
			p, home := im.copy(t)
			path := file(t, home, tt.file)
			tt.damage(t, path)
			proc := p.start(t, "n")
			client := p.client(t, "n", proc)
			out, err := call(t, client, im.ledger.books[0], "len", map[string]string{})
			if err == nil {
				t.Fatalf("a call of damaged code returned %s", out)
			}
			if tt.name == "manifest gone" { // the blob has no name then
				if !strings.Contains(err.Error(), "blob not found") {
					t.Errorf("the call says %q", err)
				}
			} else {
				if !strings.Contains(err.Error(), filepath.Base(path)) {
					t.Errorf("the call says %q, not which file", err)
				}
				eventually(t, "the log names the file", func() bool {
					return strings.Contains(proc.stderr.String(), filepath.Base(path))
				})
			}
			install(t, client)
			im.ledger.check(t, client)
		})
	}
}

// random flips bits and cuts files anywhere in a home but its settings
// (F4): the node names a file and ends, or serves what was acknowledged.
func (im *image) random(t *testing.T, rng *rand.Rand) {
	t.Helper()
	names := slices.Sorted(maps.Keys(contents(t, im.home)))
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "config.toml" || strings.HasPrefix(name, "cache")
	})
	outcomes := make(map[string]int)
	for range scaled(25) {
		p, home := im.copy(t)
		name := names[rng.IntN(len(names))]
		path := filepath.Join(home.Dir(), name)
		what := "flipped"
		change(t, path, func(b []byte) []byte {
			switch {
			case len(b) == 0:
				return []byte{0xff}
			case rng.IntN(3) == 0:
				what = "cut"
				return b[:rng.IntN(len(b))]
			}
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			return b
		})
		proc := p.run(t, "node", "run", "--node", "n")
		eventually(t, "the node is ready or has ended", func() bool { return len(proc.ready) > 0 || proc.ended() })
		if proc.ended() {
			outcomes["refused"]++
			if code, said := proc.wait(t), proc.stderr.String(); code != 1 || !strings.Contains(said, home.Dir()) {
				t.Errorf("%s %s: exit code %d\n%s", name, what, code, said)
			}
			continue
		}
		proc.waitReady(t)
		client := p.client(t, "n", proc)
		if strings.HasPrefix(name, "blobs") {
			outcomes["blob"]++
			_, err := call(t, client, im.ledger.books[0], "len", map[string]string{})
			if err != nil && !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%s %s: a call says %q", name, what, err)
			}
			install(t, client)
		} else {
			outcomes["started"]++
		}
		im.ledger.check(t, client)
		proc.kill()
		proc.wait(t)
	}
	t.Logf("%v of %v", outcomes, names)
}

// loss cuts the store's log and starts with storage.accept_loss, as
// the refusal says: the ledger notices what is missing, so it is one that can;
// what is left is a state that was, and takes writes.
func (im *image) loss(t *testing.T, rng *rand.Rand) {
	t.Helper()
	p, home := im.copy(t)
	behead(t, file(t, home, "db/*.mem"))
	p.env = append(p.env, "MERO_STORAGE_ACCEPT_LOSS=true")
	proc := p.start(t, "n")
	if !strings.Contains(proc.stderr.String(), "acknowledged writes were lost") {
		t.Errorf("the log does not say that writes were lost\n%s", &proc.stderr)
	}
	client := p.client(t, "n", proc)
	lost := im.ledger.diff(t, client)
	if len(lost) == 0 {
		t.Fatal("most of a log is gone, and the ledger finds nothing missing")
	}
	// From here on what is there counts.
	for _, b := range im.ledger.books {
		for _, c := range b.cells {
			out, err := call(t, client, b, "get", map[string]string{"key": c.key})
			must(t, err)
			c.acked, err = output(out)
			must(t, err)
			c.tried = nil
		}
	}
	w := im.ledger.write(t, client, rng)
	goal := im.ledger.acked.Load() + 20
	eventually(t, "writes are acknowledged", func() bool { return im.ledger.acked.Load() > goal })
	w.alive(t)
	proc.kill()
	proc.wait(t)
	p.env = p.env[:len(p.env)-1]
	proc = p.start(t, "n") // the loss is accepted once and for all
	im.ledger.check(t, p.client(t, "n", proc))
	proc.kill()
	proc.wait(t)
	verify(t, home)
	t.Logf("%d keys were lost, and noticed", len(lost))
}
