package commands

import (
	"context"
	"io"
	"runtime"

	"mero/commands/show"
	"mero/node"
)

func version() *verb {
	return &verb{
		name: "version", max: 0, summary: "print the version of this program",
		example: "mero version",
		run: func(_ context.Context, e *env) error {
			type versionDoc struct {
				Version  string `json:"version"`
				Commit   string `json:"commit,omitempty"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}
			doc := versionDoc{node.Version, node.Commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return e.object(doc, func(w io.Writer) {
				commit := ""
				if doc.Commit != "" {
					commit = " (" + doc.Commit + ")"
				}
				show.Line(w, "mero %s%s %s %s", doc.Version, commit, doc.Go, doc.Platform)
			})
		},
	}
}
