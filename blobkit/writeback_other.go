//go:build !linux

package blobkit

import "os"

// startWriteback is a hint that only Linux takes.
func startWriteback(*os.File) {}
