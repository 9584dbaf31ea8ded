//go:build !wasip1

package sdk

import (
	"embed"
	"io/fs"
)

//go:embed *.go *.md env codec guest jsonany names internal sdktest
var sources embed.FS

// Sources are the files of this folder that applications are built from, for the
// program that writes them into projects; tests are among them.
func Sources() fs.FS { return sources }
