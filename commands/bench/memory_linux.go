package bench

import "syscall"

// tmpfsMagic is what statfs(2) calls a file system in memory.
const tmpfsMagic = 0x01021994

// inMemory reports whether a directory's files are in memory alone.
func inMemory(dir string) bool {
	var fs syscall.Statfs_t
	return syscall.Statfs(dir, &fs) == nil && fs.Type == tmpfsMagic
}
