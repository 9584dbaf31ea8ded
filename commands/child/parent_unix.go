//go:build unix && !linux

package child

import (
	"os/exec"
	"syscall"
)

// endWithParent: a child cannot be made to end with its parent here. An interrupt of
// a terminal reaches this process alone, which hands it on once: the second one ends a
// node at once.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
