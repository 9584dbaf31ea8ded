package blobkit

import "golang.org/x/sys/windows"

// diskFullErrors are what a write answers on a full disk.
func diskFullErrors() []error {
	return []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
}

// syncDir does nothing: NTFS journals its directories and can not sync one.
func syncDir(string) error { return nil }
