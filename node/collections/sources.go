//go:build !wasip1

package collections

import (
	"embed"
	"io/fs"
)

// By name, since no pattern leaves tests out.
//
//go:embed describe.go doc.go elements.go engine.go entries.go garbage.go limits.go mem.go ops.go
//go:embed overlay.go piece.go rows.go sequence.go tx.go tx_keys.go tx_sequence.go tx_values.go
//go:embed types.go
var sources embed.FS

// Sources are the files of this folder without tests and this one, which the SDK's tests run on, for the
// program that writes them into projects.
func Sources() fs.FS { return sources }
