package commands

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"mero/commands/keyfile"
	"mero/commands/show"
	"mero/node"
	"mero/node/ident"
)

// exportedDoc says what was exported or imported, in json mode.
type exportedDoc struct {
	PublicKey ident.PublicKey `json:"publicKey"`
	ContextID string          `json:"contextId,omitempty"`
	File      string          `json:"file"`
}

func identityExport() *verb {
	return &verb{
		name: "export", args: "KEY", min: 1, max: 1, slow: true, summary: "write a member key to a file, sealed with a passphrase",
		long: "Works on the home of a node that is stopped: private keys never leave by the API. The\n" +
			"passphrase is asked for on a terminal, else it is the first line of standard input.",
		example: "mero identity export 7JZs4tGJp1wDRu8Jx8pyd9oiwm3vQqLrVxHyJ9cWnZ2N --out me.json",
		flags:   []cli.Flag{&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "`FILE` to write, not there yet"}},
		run:     runIdentityExport,
	}
}

func runIdentityExport(ctx context.Context, e *env) error {
	key, err := ident.ParsePublicKey(e.arg(0))
	if err != nil {
		return usagef("%s is not a key: %v", e.arg(0), err)
	}
	file := e.c.String("out")
	if file == "" {
		return usagef("mero identity export wants --out FILE")
	}
	var secret node.Secret
	err = e.stopped(func(cfg node.Config) error {
		secret, err = node.ExportIdentity(ctx, e.home, cfg, key)
		return err
	})
	if errors.Is(err, node.ErrNoIdentity) {
		return notFound("mero identity list shows those that a running node has", "%v", err)
	}
	if err != nil {
		return err
	}
	passphrase, err := e.passphrase(true)
	if err != nil {
		return err
	}
	text, err := keyfile.Seal(secret, passphrase)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return e.exported("exported", secret, file)
}

func identityImport() *verb {
	return &verb{
		name: "import", args: "FILE", min: 1, max: 1, slow: true, summary: "take a member key from an exported file",
		long: "Works on the home of a node that is stopped. The key acts in its context when that is\n" +
			"on the node, else once the node joins it. The passphrase is asked for on a terminal,\n" +
			"else it is the first line of standard input.",
		example: "mero identity import me.json",
		run:     runIdentityImport,
	}
}

func runIdentityImport(ctx context.Context, e *env) error {
	file := e.arg(0)
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	return e.stopped(func(cfg node.Config) error {
		passphrase, err := e.passphrase(false)
		if err != nil {
			return err
		}
		secret, err := keyfile.Open(text, passphrase)
		if err != nil {
			return err
		}
		changed, err := node.ImportIdentity(ctx, e.home, cfg, secret)
		if err != nil {
			return err
		}
		if !changed {
			e.note("note: the node has this key already")
		}
		return e.exported("imported", secret, file)
	})
}

func (e *env) exported(what string, secret node.Secret, file string) error {
	doc := exportedDoc{PublicKey: secret.Public(), File: file}
	if !secret.Context.IsZero() {
		doc.ContextID = secret.Context.String()
	}
	return e.object(doc, func(w io.Writer) { show.Line(w, "%s %s", what, e.id(doc.PublicKey)) })
}

// stopped works in the home of a node that has to be stopped for it.
func (e *env) stopped(do func(node.Config) error) error {
	if pid, running := e.home.Running(); running {
		return &failure{
			code: exitFailed, text: fmt.Sprintf("node %s is running (pid %d)", e.home.Name(), pid),
			hint: "stop it first: private keys are read and written in the home only, never by the API",
		}
	}
	return e.offline(do)
}

// passphrase asks on a terminal, twice for a new one; elsewhere it is the first
// line of standard input.
func (e *env) passphrase(isNew bool) ([]byte, error) {
	f, ok := e.in.(*os.File)
	if !ok || !e.interactive() {
		text, err := bufio.NewReader(e.in).ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the passphrase: %w", err)
		}
		if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 {
			return nil, usagef("no passphrase: give it as the first line of standard input")
		}
		return text, nil
	}
	first, err := e.ask(f, "passphrase: ")
	if err != nil || !isNew {
		return first, err
	}
	if len(first) == 0 {
		return nil, usagef("an empty passphrase protects nothing")
	}
	second, err := e.ask(f, "again: ")
	if err == nil && !bytes.Equal(first, second) {
		err = usagef("the two passphrases differ")
	}
	return first, err
}

func (e *env) ask(terminal *os.File, prompt string) ([]byte, error) {
	_, _ = io.WriteString(e.err, prompt) // nobody is left to tell
	text, err := term.ReadPassword(int(terminal.Fd()))
	_, _ = io.WriteString(e.err, "\n")
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	return text, nil
}
