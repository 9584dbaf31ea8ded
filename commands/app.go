package commands

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

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
}

func newAppDoc(a api.Application) appDoc {
	return appDoc{
		ApplicationID: a.ID, BlobID: a.Blob.Bytecode, Size: a.Size, Package: a.Package, Version: a.Version,
		Source: a.Source, Metadata: string(a.Metadata), InstalledAt: a.InstalledAt,
	}
}

func appList() *verb {
	return &verb{
		name: "list", max: 0, summary: "list the installed applications",
		example: "mero app list",
		run: func(ctx context.Context, e *env) error {
			client, err := e.client()
			if err != nil {
				return err
			}
			apps, err := client.Applications(ctx)
			if err != nil {
				return err
			}
			docs := make([]appDoc, 0, len(apps))
			for _, a := range apps {
				docs = append(docs, newAppDoc(a))
			}
			return list(e, docs, []string{"APPLICATION", "PACKAGE", "VERSION", "SIZE", "SOURCE"}, func(a appDoc) []string {
				return []string{e.id(a.ApplicationID), a.Package, a.Version, show.Bytes(a.Size), a.Source}
			})
		},
	}
}

func appGet() *verb {
	return &verb{
		name: "get", args: "APP…", min: 1, max: -1, summary: "describe applications",
		example: "mero app get kv",
		run: func(ctx context.Context, e *env) error {
			return each(ctx, e, e.appID, func(client *api.Client, id ident.AppID) error {
				a, err := client.Application(ctx, id)
				if err != nil {
					return err
				}
				doc := newAppDoc(a)
				return e.object(doc, func(w io.Writer) {
					show.Pairs(
						w, "application", e.id(doc.ApplicationID), "package", doc.Package, "version", doc.Version,
						"size", show.Bytes(doc.Size), "source", doc.Source, "blob", e.id(doc.BlobID),
						"metadata", doc.Metadata, "installed", show.Time(doc.InstalledAt),
					)
				})
			})
		},
	}
}

func appRemove() *verb {
	return &verb{
		name: "remove", args: "APP…", min: 1, max: -1, summary: "remove applications from the node",
		long:    "Contexts keep working only with their application, so one that a context uses is not\nremoved; delete the context first. Its aliases on this node go with it.",
		example: "mero app remove kv --yes",
		flags:   []cli.Flag{yesFlag()},
		run: func(ctx context.Context, e *env) error {
			if err := e.confirm("remove " + countText(len(e.args), "application")); err != nil {
				return err
			}
			return each(ctx, e, e.appID, func(client *api.Client, id ident.AppID) error {
				if _, err := client.Application(ctx, id); err != nil {
					return err // the API removes what is not there without a word
				}
				if err := client.RemoveApplication(ctx, id); err != nil {
					return err
				}
				return e.object(installed{id}, func(w io.Writer) { show.Line(w, "removed %s", e.id(id)) })
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
