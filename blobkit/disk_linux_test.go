package blobkit_test

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"mero/blobkit"
	"mero/blobkit/blobtest"
)

// TestFullDisk fills a real file system of 4 MiB: every put that does not fit
// says so and leaves nothing, and it fits again once there is space (F5).
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("no small file system to fill: mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := open(t, dir, blobkit.Config{MaxSize: blobkit.MaxBlob}) // no reserve: the file system itself refuses
	kept := blobtest.Content(1, 2<<20)
	info := put(t, s, kept)
	before := len(files(t, dir))
	for seed := range byte(3) {
		_, err := s.Put(t.Context(), bytes.NewReader(blobtest.Content(10+seed, 6<<20)), blobkit.PutOptions{})
		if !errors.Is(err, blobkit.ErrDiskFull) {
			t.Errorf("put of 6 MiB: %v, want ErrDiskFull", err)
		}
		if after := len(files(t, dir)); after != before {
			t.Errorf("%d files after the put, were %d", after, before)
		}
	}
	if got, err := s.Bytes(t.Context(), info.ID, 2<<20); err != nil || !bytes.Equal(got, kept) {
		t.Errorf("what was there: %d bytes, %v", len(got), err)
	}
	if err := s.Delete(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	put(t, s, blobtest.Content(20, 3<<20))
}
