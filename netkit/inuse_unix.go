//go:build !windows

package netkit

import "syscall"

const (
	errInUse         = syscall.EADDRINUSE
	errNoFamily      = syscall.EAFNOSUPPORT
	errNotOurAddress = syscall.EADDRNOTAVAIL
)
