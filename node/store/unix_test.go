package store_test

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"
)

func fmtError(format string, args ...any) error { return fmt.Errorf(format, args...) }

// blocks is what a file occupies, in bytes.
func blocks(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return fi.Size()
}

func bg() context.Context { return context.Background() }
