package blobkit_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mero/blobkit"
	"mero/blobkit/blobtest"
)

// files lists the regular files of a store, relative to dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		list = append(list, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func put(t *testing.T, s *blobkit.Store, content []byte) blobkit.Info {
	t.Helper()
	info, err := s.Put(t.Context(), bytes.NewReader(content), blobkit.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 0x40; return b }
}

func cut(b []byte) []byte { return b[:len(b)-1] }
func pad(b []byte) []byte { return append(b, 0) }

// chunkFile is where the store keeps a blob of one chunk, and manifestFile where
// it keeps its manifest.
func chunkFile(dir string, content []byte) string {
	name := hex.EncodeToString(sum(content))
	return filepath.Join(dir, "chunks", name[:2], name)
}

func manifestFile(dir string, id blobkit.ID) string {
	name := hex.EncodeToString(id[:])
	return filepath.Join(dir, "blobs", name[:2], name)
}

func TestDamagedChunk(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"first bit", func(t *testing.T, path string) { rewrite(t, path, flip(0)) }},
		{"last bit", func(t *testing.T, path string) { rewrite(t, path, flip(-1)) }},
		{"cut", func(t *testing.T, path string) { rewrite(t, path, cut) }},
		{"grown", func(t *testing.T, path string) { rewrite(t, path, pad) }},
		{"empty", func(t *testing.T, path string) { rewrite(t, path, func([]byte) []byte { return nil }) }},
		{"missing", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, blobkit.DefaultConfig())
			good, bad := blobtest.Content(1, 1<<20), blobtest.Content(2, 1000)
			content := slices.Concat(good, bad)
			info := put(t, s, content)
			tt.damage(t, chunkFile(dir, bad))

			r, _, err := s.Get(t.Context(), info.ID)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			damage := (*blobkit.DamagedError)(nil)
			if !errors.As(err, &damage) {
				t.Fatalf("read: %v, want a DamagedError", err)
			}
			if !bytes.Equal(got, good) {
				t.Errorf("%d bytes before the damage, want the %d good ones", len(got), len(good))
			}
			if damage.File != chunkFile(dir, bad) || damage.ID != info.ID || damage.Hint == "" {
				t.Errorf("damage is %+v", damage)
			}
			for _, part := range []string{info.ID.String(), damage.File, damage.Reason, damage.Hint} {
				if !strings.Contains(damage.Error(), part) {
					t.Errorf("%q does not say %q", damage.Error(), part)
				}
			}
			if _, err := s.Bytes(t.Context(), info.ID, 2<<20); !errors.As(err, &damage) {
				t.Errorf("bytes: %v, want a DamagedError", err)
			}

			put(t, s, content) // what the hint says
			if got, err := s.Bytes(t.Context(), info.ID, 2<<20); err != nil || !bytes.Equal(got, content) {
				t.Errorf("after putting it again: %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestDamagedManifest(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"magic", flip(0)},
		{"size", flip(9)},
		{"time", flip(24)},
		{"hash", flip(30)},
		{"type", flip(60)},
		{"chunk", flip(-40)},
		{"sum", flip(-1)},
		{"cut", cut},
		{"grown", pad},
		{"empty", func([]byte) []byte { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, blobkit.DefaultConfig())
			content, other := []byte("content"), []byte("other")
			info := put(t, s, content)
			put(t, s, other)
			rewrite(t, manifestFile(dir, info.ID), tt.change)
			damaged := func(what string, err error) {
				t.Helper()
				damage := (*blobkit.DamagedError)(nil)
				if !errors.As(err, &damage) {
					t.Fatalf("%s: %v, want a DamagedError", what, err)
				}
				if damage.File != manifestFile(dir, info.ID) {
					t.Errorf("%s: names %s", what, damage.File)
				}
			}
			_, _, err := s.Get(t.Context(), info.ID)
			damaged("get", err)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}

			s = open(t, dir, blobkit.DefaultConfig())
			_, err = s.Stat(info.ID)
			damaged("stat", err)
			var listed []error
			for _, err := range s.List() {
				listed = append(listed, err)
			}
			if len(listed) != 2 || listed[0] != nil {
				t.Fatalf("list gave %v, want the other blob and the damage", listed)
			}
			damaged("list", listed[1])
			if _, err := os.Stat(chunkFile(dir, content)); err != nil {
				t.Errorf("the chunk of the damaged blob was swept: %v", err)
			}
			put(t, s, content) // what the hint says
			if got, err := s.Bytes(t.Context(), info.ID, 100); err != nil || !bytes.Equal(got, content) {
				t.Errorf("after putting it again: %q, %v", got, err)
			}
			if _, err := s.Stat(info.ID); err != nil {
				t.Errorf("stat after putting it again: %v", err)
			}

			rewrite(t, manifestFile(dir, info.ID), tt.change)
			if err := s.Delete(t.Context(), info.ID); err != nil {
				t.Fatalf("delete of a damaged blob: %v", err)
			}
			if _, _, err := s.Get(t.Context(), info.ID); !errors.Is(err, blobkit.ErrNotFound) {
				t.Errorf("get after delete: %v, want ErrNotFound", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			open(t, dir, blobkit.DefaultConfig())
			if got := files(t, dir); len(got) != 2 {
				t.Errorf("files are %v, want manifest and chunk of the other blob", got)
			}
		})
	}
}

func TestNewerManifest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, blobkit.DefaultConfig())
	info := put(t, s, []byte("content"))
	rewrite(t, manifestFile(dir, info.ID), func(b []byte) []byte { b[8]++; return b })
	s = open(t, dir, blobkit.DefaultConfig())
	before := files(t, dir)
	_, _, getErr := s.Get(t.Context(), info.ID)
	_, statErr := s.Stat(info.ID)
	_, putErr := s.Put(t.Context(), strings.NewReader("content"), blobkit.PutOptions{})
	for name, err := range map[string]error{
		"get": getErr, "stat": statErr, "put": putErr, "delete": s.Delete(t.Context(), info.ID),
	} {
		if !errors.Is(err, blobkit.ErrNewer) {
			t.Errorf("%s: %v, want ErrNewer", name, err)
		}
	}
	if after := files(t, dir); !slices.Equal(before, after) {
		t.Errorf("files were %v and are %v", before, after)
	}
}
