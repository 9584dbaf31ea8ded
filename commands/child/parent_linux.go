package child

import (
	"os/exec"
	"syscall"
)

// endWithParent has a child killed when this process is gone, however it ended. An
// interrupt of a terminal reaches this process alone, which hands it on once: the
// second one ends a node at once.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
