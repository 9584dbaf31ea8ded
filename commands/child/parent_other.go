//go:build !unix

package child

import "os/exec"

// endWithParent: there is no such thing here; a terminal's interrupt reaches
// children by itself.
func endWithParent(*exec.Cmd) {}
