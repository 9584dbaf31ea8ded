//go:build linux || darwin || freebsd

package blobkit

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// diskFullErrors are what a write answers on a full disk or an exhausted quota.
func diskFullErrors() []error { return []error{unix.ENOSPC, unix.EDQUOT} }

// syncDir makes renames and removals in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	// Some network file systems refuse to sync a directory; they order its
	// entries themselves.
	if errors.Is(err, unix.EINVAL) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
