package store_test

import "io/fs"

// blocks is what a file occupies, in bytes, or more.
func blocks(fi fs.FileInfo) int64 { return fi.Size() }
