package blobkit_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"mero/blobkit"
)

const benchSize = 256 << 20

// benchFile is a file of random bytes, in the page cache.
func benchFile(b *testing.B) *os.File {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "source"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	random := rand.NewChaCha8([32]byte{1})
	if _, err := io.CopyN(f, random, benchSize); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkPut is P11: a file of 256 MiB, durable at the end.
func BenchmarkPut(b *testing.B) {
	src := benchFile(b)
	s := open(b, b.TempDir(), blobkit.DefaultConfig())
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := src.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		info, err := s.Put(b.Context(), src, blobkit.PutOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Delete(b.Context(), info.ID); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkCopyHashSync is what P11 compares with: copy, SHA-256 and one fsync.
func BenchmarkCopyHashSync(b *testing.B) {
	src := benchFile(b)
	path := filepath.Join(b.TempDir(), "copy")
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := src.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		dst, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(dst, h)}, struct{ io.Reader }{src}, make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
		if err := dst.Sync(); err != nil {
			b.Fatal(err)
		}
		dst.Close()
		b.StopTimer()
		os.Remove(path)
		b.StartTimer()
	}
}

// BenchmarkPutSmall is one durable blob of 10 KB after the other.
func BenchmarkPutSmall(b *testing.B) {
	s := open(b, b.TempDir(), blobkit.DefaultConfig())
	random := rand.NewChaCha8([32]byte{2})
	content := make([]byte, 10<<10)
	for b.Loop() {
		_, _ = random.Read(content)
		if _, err := s.Put(b.Context(), bytes.NewReader(content), blobkit.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet reads and verifies 256 MiB from the page cache.
func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir(), blobkit.DefaultConfig())
	info, err := s.Put(b.Context(), benchFile(b), blobkit.PutOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size)
	for b.Loop() {
		r, _, err := s.Get(b.Context(), info.ID)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
