//go:build !wasip1

package collections

import (
	"embed"
	"io/fs"
)

//go:embed *.go
var sources embed.FS

// Sources are the files of this folder, which the SDK's tests run on, for the program that writes
// them into projects; tests are among them.
func Sources() fs.FS { return sources }
