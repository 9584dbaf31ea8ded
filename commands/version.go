package commands

import (
	"context"
	"io"
	"runtime"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
)

func version() *line.Verb {
	return &line.Verb{
		Name: "version", Max: 0, Summary: "print the version of this program",
		Example: "mero version",
		Run: func(_ context.Context, e *line.Env) error {
			type versionDoc struct {
				Version  string `json:"version"`
				Commit   string `json:"commit,omitempty"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}
			doc := versionDoc{node.Version, node.Commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return e.Object(doc, func(w io.Writer) {
				commit := ""
				if doc.Commit != "" {
					commit = " (" + doc.Commit + ")"
				}
				show.Line(w, "mero %s%s %s %s", doc.Version, commit, doc.Go, doc.Platform)
			})
		},
	}
}
