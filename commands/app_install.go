package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/node/api"
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
	id, err := e.install(ctx, e.arg(0), name, hash)
	if err != nil {
		return err
	}
	return e.object(installed{id}, func(w io.Writer) { line(w, "%s", e.id(id)) })
}

func (e *env) install(ctx context.Context, source, name string, hash *api.Hash) (id ident.AppID, err error) {
	remote := strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
	var code *appCode
	if !remote { // what is wrong here is said before a node is asked
		if code, err = openCode(source); err != nil {
			return id, err
		}
		defer code.Close() //nolint:errcheck // read only
	}
	client, err := e.client()
	if err != nil {
		return id, err
	}
	scope := api.AliasScope{Kind: api.AliasApplication}
	if remote {
		if e.c.IsSet("package") || e.c.IsSet("app-version") {
			return id, usagef("--package and --app-version are for a FILE; what the node fetches has none")
		}
		id, err = client.InstallURL(ctx, api.InstallURLRequest{URL: source, Hash: hash, Metadata: api.Bytes(e.c.String("metadata"))})
	} else {
		// Uploaded from here, so that it works for a node elsewhere too.
		id, err = client.Upload(ctx, code, api.UploadOptions{
			Name: code.name, Package: e.c.String("package"), Version: e.c.String("app-version"),
			Hash: hash, Metadata: []byte(e.c.String("metadata")), Size: code.size,
		})
	}
	if err == nil && name != "" {
		err = e.setAlias(ctx, client, scope, name, api.ID(id))
	}
	return id, err
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
