//go:build !wasip1

package sdk

import (
	"embed"
	"io/fs"
)

// By name where there are tests, since no pattern leaves them out.
//
//go:embed *.md env guest jsonany names internal
//go:embed args.go bind_native.go blob.go call.go doc.go id.go keyed.go list.go place.go register.go
//go:embed codec/append.go codec/doc.go codec/read.go codec/reader.go sdktest/doc.go
//go:embed sdktest/network.go sdktest/replica.go
var sources embed.FS

// Sources are the files of this folder that applications are built from, without
// tests, for the program that writes them into projects.
func Sources() fs.FS { return sources }
