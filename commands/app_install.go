package commands

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/show"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/ident"
)

type installed struct {
	ApplicationID ident.AppID `json:"applicationId"`
}

func appInstall() *verb {
	return &verb{
		name: "install", args: "FILE|URL|example:NAME", min: 1, max: 1, slow: true,
		summary: "install an application on the node",
		long: "The code is checked before anything is stored: what is no WebAssembly module, or\n" +
			"imports a function that no host has, is refused. FILE is read here and uploaded;\n" +
			"URL is fetched by the node. example:kv is a key-value application that is part of\n" +
			"this program.",
		example: "mero app install example:kv --name kv",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`ALIAS` for the application"},
			&cli.StringFlag{Name: "package", Usage: "`NAME` of the package, part of the application's id (FILE only)"},
			&cli.StringFlag{Name: "app-version", Usage: "`VERSION` of the package, part of the application's id (FILE only)"},
			&cli.StringFlag{Name: "hash", Usage: "`SHA256` that the code must have, base58"},
			&cli.StringFlag{Name: "metadata", Usage: "`TEXT` to keep with the application"},
		},
		run: runAppInstall,
	}
}

func runAppInstall(ctx context.Context, e *env) error {
	var hash *api.Hash
	if text := e.c.String("hash"); text != "" {
		h, err := api.ParseHash(text)
		if err != nil {
			return usagef("--hash: %v", err)
		}
		hash = &h
	}
	name := e.c.String("name")
	if name != "" {
		if err := api.CheckAlias(name); err != nil {
			return usagef("--name: %v", err)
		}
	}
	id, client, err := e.install(ctx, e.arg(0), name, hash)
	if err != nil {
		return err
	}
	if name != "" {
		err = e.setAlias(ctx, client, api.AliasScope{Kind: api.AliasApplication}, name, api.ID(id))
	}
	// It is installed, whatever became of its name.
	return errors.Join(err, e.object(installed{id}, func(w io.Writer) { show.Line(w, "%s", e.id(id)) }))
}

// install installs what can have the name, which may be empty.
func (e *env) install(ctx context.Context, source, name string, hash *api.Hash) (id ident.AppID, client *api.Client, err error) {
	remote := strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
	var code *appCode
	if !remote { // what is wrong here is said before a node is asked
		if code, err = openCode(source); err != nil {
			return id, nil, err
		}
		defer code.Close() //nolint:errcheck // read only
	}
	if remote && (e.c.IsSet("package") || e.c.IsSet("app-version")) {
		return id, nil, usagef("--package and --app-version are for a FILE; what the node fetches has none")
	}
	if client, err = e.client(); err != nil {
		return id, nil, err
	}
	if name != "" {
		// Before the upload: a taken name must not leave an application behind.
		err := e.appAliasFree(ctx, client, name, func(a api.Application) bool {
			if remote {
				return a.Source == source
			}
			return a.Size == uint64(code.size) &&
				a.Package == cmp.Or(e.c.String("package"), apps.UnknownPackage) &&
				a.Version == cmp.Or(e.c.String("app-version"), apps.UnknownVersion)
		})
		if err != nil {
			return id, nil, err
		}
	}
	if remote {
		id, err = client.InstallURL(ctx, api.InstallURLRequest{URL: source, Hash: hash, Metadata: api.Bytes(e.c.String("metadata"))})
	} else {
		// Uploaded from here, so that it works for a node elsewhere too.
		id, err = client.Upload(ctx, code, api.UploadOptions{
			Name: code.name, Package: e.c.String("package"), Version: e.c.String("app-version"),
			Hash: hash, Metadata: []byte(e.c.String("metadata")), Size: code.size,
		})
	}
	return id, client, err
}

// appAliasFree is aliasFree, but lets a name pass that the application has which
// is about to be installed: to do it again is no error. Only the node can tell
// for certain, when it has the code; same says what cannot be.
func (e *env) appAliasFree(ctx context.Context, client *api.Client, name string, same func(api.Application) bool) error {
	scope := api.AliasScope{Kind: api.AliasApplication}
	id, taken, err := client.LookupAlias(ctx, scope, name)
	if err != nil || !taken {
		return err
	}
	if app, err := client.Application(ctx, ident.AppID(id)); err == nil && same(app) {
		return nil
	}
	return aliasTaken(scope, name, id, nil)
}

// appCode is the code of an application on this machine.
type appCode struct {
	io.ReadCloser

	name string
	size int64
}

func openCode(source string) (*appCode, error) {
	if example, ok := strings.CutPrefix(source, "example:"); ok {
		data, err := exampleCode(example)
		if err != nil {
			return nil, err
		}
		return &appCode{io.NopCloser(bytes.NewReader(data)), example + ".wasm", int64(len(data))}, nil
	}
	f, err := os.Open(source)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &failure{code: exitFailed, text: "no such file: " + source, hint: "give a .wasm file, an http(s) URL, or example:kv", cause: err}
	}
	if err != nil {
		return nil, fmt.Errorf("read the application: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(source + " is not a file")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the application: %w", err), f.Close())
	}
	return &appCode{f, filepath.Base(source), info.Size()}, nil
}
