package blobkit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mero/blobkit"
	"mero/blobkit/blobtest"
)

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// copyStore copies the files of a store for which keep is true: what a crash
// after those writes would have left.
func copyStore(t *testing.T, from string, keep func(rel string) bool) string {
	t.Helper()
	to := t.TempDir()
	for _, rel := range files(t, from) {
		if !keep(rel) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, rel))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, rel), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestCrashDuringPut opens what a put leaves at each of its steps: the blob is
// absent, what was there before is whole, and no file of it is left.
func TestCrashDuringPut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, blobkit.DefaultConfig())
	shared := blobtest.Content(1, 1<<20)
	old := slices.Concat(shared, []byte("old"))
	put(t, s, old)
	before := files(t, dir)

	content := slices.Concat(shared, blobtest.Content(2, 1<<20), []byte("new"))
	w, err := s.Create(blobkit.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	// The second store sees the first one's running put as a crash would leave it.
	crashes := map[string]string{
		"while writing chunks": copyStore(t, dir, func(string) bool { return true }),
	}
	info, err := w.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := filepath.Rel(dir, manifestFile(dir, info.ID))
	if err != nil {
		t.Fatal(err)
	}
	lastChunk, err := filepath.Rel(dir, chunkFile(dir, []byte("new")))
	if err != nil {
		t.Fatal(err)
	}
	crashes["between chunks and manifest"] = copyStore(t, dir, func(rel string) bool { return rel != manifest })
	crashes["between two chunks"] = copyStore(t, dir, func(rel string) bool { return rel != manifest && rel != lastChunk })
	whole := copyStore(t, dir, func(string) bool { return true })

	for name, crashed := range crashes {
		s := open(t, crashed, blobkit.DefaultConfig())
		if _, _, err := s.Get(t.Context(), info.ID); !errors.Is(err, blobkit.ErrNotFound) {
			t.Errorf("crash %s: get: %v, want ErrNotFound", name, err)
		}
		if got, err := s.Bytes(t.Context(), blobtest.Name(old), 2<<20); err != nil || !bytes.Equal(got, old) {
			t.Errorf("crash %s: the old blob: %d bytes, %v", name, len(got), err)
		}
		if after := files(t, crashed); !slices.Equal(before, after) {
			t.Errorf("crash %s: files are %v, want %v", name, after, before)
		}
		put(t, s, content)
		if got, err := s.Bytes(t.Context(), info.ID, 4<<20); err != nil || !bytes.Equal(got, content) {
			t.Errorf("crash %s: put again: %d bytes, %v", name, len(got), err)
		}
	}
	s = open(t, whole, blobkit.DefaultConfig())
	if got, err := s.Bytes(t.Context(), info.ID, 4<<20); err != nil || !bytes.Equal(got, content) {
		t.Errorf("crash after the put: %d bytes, %v", len(got), err)
	}
}

// TestNothingLeft follows the files through deletes, failed and aborted puts.
func TestNothingLeft(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, blobkit.DefaultConfig())
	x, y := blobtest.Content(1, 1<<20), blobtest.Content(2, 1<<20)
	a := put(t, s, slices.Concat(x, y))
	b := put(t, s, slices.Concat(y, []byte("tail"), nil))
	if got := files(t, dir); len(got) != 5 {
		t.Fatalf("files are %v, want two manifests and three chunks", got)
	}
	if err := s.Delete(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) != 3 {
		t.Errorf("files are %v, want one manifest and two chunks", got)
	}
	if _, err := s.Put(t.Context(), bytes.NewReader(slices.Concat(x, y)), blobkit.PutOptions{MaxSize: 2<<20 - 1}); err == nil {
		t.Fatal("a put over its limit succeeded")
	}
	w, err := s.Create(blobkit.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(slices.Concat(y, x)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if got := files(t, dir); len(got) != 3 {
		t.Errorf("files after failed puts are %v, want one manifest and two chunks", got)
	}
	if err := s.Delete(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("files are %v, want none", got)
	}
}

func TestForeignFilesStay(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, blobkit.DefaultConfig())
	for _, rel := range []string{"chunks/README", "chunks/ab/notes.txt", "blobs/ab/abcd", "blobs/ab/.nfs0001"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, rel)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, rel), []byte("not ours"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, blobkit.DefaultConfig())
	for info, err := range s.List() {
		t.Errorf("list gave %v, %v", info, err)
	}
	if got := files(t, dir); len(got) != 4 {
		t.Errorf("files are %v, want the four that were there", got)
	}
}
