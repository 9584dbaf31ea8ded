package blobkit

import (
	"os"

	"golang.org/x/sys/windows"
)

// diskFullErrors are what a write answers on a full disk.
func diskFullErrors() []error {
	return []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
}

// freeBytes is what this user may still write to the disk of dir.
func freeBytes(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, &os.PathError{Op: "free space", Path: dir, Err: err}
	}
	return free, nil
}

// syncDir does nothing: NTFS journals its directories and can not sync one.
func syncDir(string) error { return nil }
