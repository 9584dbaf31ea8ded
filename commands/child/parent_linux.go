package child

import (
	"os/exec"
	"syscall"
)

// endWithParent has a child killed when this process is gone, however it ended.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
