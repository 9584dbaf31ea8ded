package netkit

import "golang.org/x/sys/windows"

// Windows answers with its own numbers, which package syscall does not map.
const (
	errInUse         = windows.WSAEADDRINUSE
	errNoFamily      = windows.WSAEAFNOSUPPORT
	errNotOurAddress = windows.WSAEADDRNOTAVAIL
)
