package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"mero/node/disk"
)

func TestFree(t *testing.T) {
	free, err := disk.Free(t.TempDir())
	if err != nil || free == 0 {
		t.Errorf("got %d, %v", free, err)
	}
	if _, err := disk.Free(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}
