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

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

type installed struct {
	ApplicationID ident.AppID `json:"applicationId"`
}

func appInstall() *line.Verb {
	return &line.Verb{
		Name: "install", Args: "FILE|URL|example:NAME", Min: 1, Max: 1, Slow: true,
		Summary: "install an application on the node",
		Long: "The code is checked before anything is stored: what is no WebAssembly module, or\n" +
			"imports a function that no host has, is refused. FILE is read here and uploaded;\n" +
			"URL is fetched by the node. example:kv is a key-value application that is part of\n" +
			"this program.",
		Example: "mero app install example:kv --name kv",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`ALIAS` for the application"},
			&cli.StringFlag{Name: "package", Usage: "`NAME` of the package, part of the application's id (FILE only)"},
			&cli.StringFlag{Name: "app-version", Usage: "`VERSION` of the package, part of the application's id (FILE only)"},
			&cli.StringFlag{Name: "hash", Usage: "`SHA256` that the code must have, base58"},
			&cli.StringFlag{Name: "metadata", Usage: "`TEXT` to keep with the application"},
		},
		Run: runAppInstall,
	}
}

func runAppInstall(ctx context.Context, e *line.Env) error {
	var hash *api.Hash
	if text := e.Flags.String("hash"); text != "" {
		h, err := api.ParseHash(text)
		if err != nil {
			return line.Usagef("--hash: %v", err)
		}
		hash = &h
	}
	name := e.Flags.String("name")
	if name != "" {
		if err := api.CheckAlias(name); err != nil {
			return line.Usagef("--name: %v", err)
		}
	}
	id, client, err := install(ctx, e, e.Arg(0), name, hash)
	if err != nil {
		return err
	}
	if name != "" {
		err = e.SetAlias(ctx, client, api.AliasScope{Kind: api.AliasApplication}, name, api.ID(id))
	}
	// It is installed, whatever became of its name.
	return errors.Join(err, e.Object(installed{id}, func(w io.Writer) { show.Line(w, "%s", e.ID(id)) }))
}

// install installs what can have the name, which may be empty.
func install(ctx context.Context, e *line.Env, source, name string, hash *api.Hash) (id ident.AppID, client *api.Client, err error) {
	remote := strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
	var code *appCode
	if !remote { // what is wrong here is said before a node is asked
		if code, err = openCode(source); err != nil {
			return id, nil, err
		}
		defer code.Close() //nolint:errcheck // read only
	}
	if remote && (e.Flags.IsSet("package") || e.Flags.IsSet("app-version")) {
		return id, nil, line.Usagef("--package and --app-version are for a FILE; what the node fetches has none")
	}
	if client, err = e.Client(); err != nil {
		return id, nil, err
	}
	if name != "" {
		// Before the upload: a taken name must not leave an application behind.
		err := appAliasFree(ctx, client, name, func(a api.Application) bool {
			if remote {
				return a.Source == source
			}
			return a.Size == uint64(code.size) &&
				a.Package == cmp.Or(e.Flags.String("package"), api.UnknownPackage) &&
				a.Version == cmp.Or(e.Flags.String("app-version"), api.UnknownVersion)
		})
		if err != nil {
			return id, nil, err
		}
	}
	if remote {
		id, err = client.InstallURL(ctx, api.InstallURLRequest{URL: source, Hash: hash, Metadata: api.Bytes(e.Flags.String("metadata"))})
	} else {
		// Uploaded from here, so that it works for a node elsewhere too.
		id, err = client.Upload(ctx, code, api.UploadOptions{
			Name: code.name, Package: e.Flags.String("package"), Version: e.Flags.String("app-version"),
			Hash: hash, Metadata: []byte(e.Flags.String("metadata")), Size: code.size,
		})
	}
	return id, client, err
}

// appAliasFree is aliasFree, but lets a name pass that the application has which
// is about to be installed: to do it again is no error. Only the node can tell
// for certain, when it has the code; same says what cannot be.
func appAliasFree(ctx context.Context, client *api.Client, name string, same func(api.Application) bool) error {
	scope := api.AliasScope{Kind: api.AliasApplication}
	id, taken, err := client.LookupAlias(ctx, scope, name)
	if err != nil || !taken {
		return err
	}
	if app, err := client.Application(ctx, ident.AppID(id)); err == nil && same(app) {
		return nil
	}
	return line.AliasTaken(scope, name, id, nil)
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
		return nil, &line.FailedError{Code: line.ExitFailed, Text: "no such file: " + source, Hint: "give a .wasm file, an http(s) URL, or example:kv", Cause: err}
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
