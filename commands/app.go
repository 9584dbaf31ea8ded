package commands

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

// appDoc is an application in json mode.
type appDoc struct {
	ApplicationID ident.AppID `json:"applicationId"`
	BlobID        api.BlobID  `json:"blobId"`
	Size          uint64      `json:"size"`
	Package       string      `json:"package"`
	Version       string      `json:"version"`
	Source        string      `json:"source"`
	Metadata      string      `json:"metadata,omitempty"`
	InstalledAt   time.Time   `json:"installedAt"`
	Aliases       []string    `json:"aliases,omitempty"`
}

func newAppDoc(a api.Application) appDoc {
	return appDoc{
		ApplicationID: a.ID, BlobID: a.Blob.Bytecode, Size: a.Size, Package: a.Package, Version: a.Version,
		Source: a.Source, Metadata: string(a.Metadata), InstalledAt: a.InstalledAt,
	}
}

func appList() *line.Verb {
	return &line.Verb{
		Name: "list", Max: 0, Summary: "list the installed applications",
		Example: "mero app list",
		Run: func(ctx context.Context, e *line.Env) error {
			client, err := e.Client()
			if err != nil {
				return err
			}
			apps, err := client.Applications(ctx)
			if err != nil {
				return err
			}
			aliases, err := client.Aliases(ctx, api.AliasScope{Kind: api.AliasApplication})
			var refused *api.Error
			if err != nil && (!errors.As(err, &refused) || refused.Kind != api.KindDenied) {
				return err // a token for applications alone shows no names
			}
			docs := make([]appDoc, 0, len(apps))
			for _, a := range apps {
				doc := newAppDoc(a)
				doc.Aliases = line.AliasesOf(aliases, api.ID(a.ID))
				docs = append(docs, doc)
			}
			return line.List(e, docs, []string{"APPLICATION", "ALIAS", "PACKAGE", "VERSION", "SIZE", "SOURCE"}, func(a appDoc) []string {
				return []string{e.ID(a.ApplicationID), strings.Join(a.Aliases, " "), a.Package, a.Version, show.Bytes(a.Size), sourceText(a.Source)}
			})
		},
	}
}

// sourceText is where code came from: the name alone of a file that was uploaded, since
// nobody knows where it was.
func sourceText(source string) string {
	if name, ok := strings.CutPrefix(source, "file:///"); ok && !strings.Contains(name, "/") {
		if plain, err := url.PathUnescape(name); err == nil {
			return show.Printable(plain)
		}
	}
	return show.Printable(source)
}

func appGet() *line.Verb {
	return &line.Verb{
		Name: "get", Args: "APP…", Min: 1, Max: -1, Summary: "describe applications",
		Example: "mero app get kv",
		Run: func(ctx context.Context, e *line.Env) error {
			return line.Each(ctx, e, e.AppID, func(client *api.Client, id ident.AppID) error {
				a, err := client.Application(ctx, id)
				if err != nil {
					return err
				}
				doc := newAppDoc(a)
				return e.Object(doc, func(w io.Writer) {
					show.Pairs(
						w, "application", e.ID(doc.ApplicationID), "package", doc.Package, "version", doc.Version,
						"size", show.Bytes(doc.Size), "source", sourceText(doc.Source), "blob", e.ID(doc.BlobID),
						"metadata", doc.Metadata, "installed", show.Time(doc.InstalledAt),
					)
				})
			})
		},
	}
}

func appRemove() *line.Verb {
	return &line.Verb{
		Name: "remove", Args: "APP…", Min: 1, Max: -1, Summary: "remove applications from the node",
		Long:    "Contexts keep working only with their application, so one that a context uses is not\nremoved; delete the context first. Its aliases on this node go with it.",
		Example: "mero app remove kv --yes",
		Flags:   []cli.Flag{line.YesFlag()},
		Run: func(ctx context.Context, e *line.Env) error {
			if err := e.Confirm("remove " + countText(len(e.Args), "application")); err != nil {
				return err
			}
			return line.Each(ctx, e, e.AppID, func(client *api.Client, id ident.AppID) error {
				if _, err := client.Application(ctx, id); err != nil {
					return err // the API removes what is not there without a word
				}
				if err := client.RemoveApplication(ctx, id); err != nil {
					return err
				}
				return e.Object(installed{id}, func(w io.Writer) { show.Line(w, "removed %s", e.ID(id)) })
			})
		},
	}
}

func countText(n int, noun string) string {
	if n == 1 {
		return "this " + noun
	}
	return "these " + strconv.Itoa(n) + " " + noun + "s"
}
