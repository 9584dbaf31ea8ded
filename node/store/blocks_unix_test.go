//go:build unix

package store_test

import (
	"io/fs"
	"syscall"
)

// blocks is what a file occupies, in bytes.
func blocks(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return fi.Size()
}
