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
	"mero/commands/line"
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

func identityExport() *line.Verb {
	return &line.Verb{
		Name: "export", Args: "KEY", Min: 1, Max: 1, Slow: true, Summary: "write a member key to a file, sealed with a passphrase",
		Long: "Works on the home of a node that is stopped: private keys never leave by the API. The\n" +
			"passphrase is asked for on a terminal, else it is the first line of standard input.",
		Example: "mero identity export 7JZs4tGJp1wDRu8Jx8pyd9oiwm3vQqLrVxHyJ9cWnZ2N --out me.json",
		Flags:   []cli.Flag{&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "`FILE` to write, not there yet"}},
		Run:     runIdentityExport,
	}
}

func runIdentityExport(ctx context.Context, e *line.Env) error {
	key, err := ident.ParsePublicKey(e.Arg(0))
	if err != nil {
		return line.Usagef("%s is not a key: %v", e.Arg(0), err)
	}
	file := e.Flags.String("out")
	if file == "" {
		return line.Usagef("mero identity export wants --out FILE")
	}
	var secret node.Secret
	err = stopped(e, func(cfg node.Config) error {
		secret, err = node.ExportIdentity(ctx, e.Home, cfg, key)
		return err
	})
	if errors.Is(err, node.ErrNoIdentity) {
		return line.NotFound("mero identity list shows those that a running node has", "%v", err)
	}
	if err != nil {
		return err
	}
	passphrase, err := passphrase(e, true)
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
	return exported(e, "exported", secret, file)
}

func identityImport() *line.Verb {
	return &line.Verb{
		Name: "import", Args: "FILE", Min: 1, Max: 1, Slow: true, Summary: "take a member key from an exported file",
		Long: "Works on the home of a node that is stopped. The key acts in its context when that is\n" +
			"on the node, else once the node joins it. The passphrase is asked for on a terminal,\n" +
			"else it is the first line of standard input.",
		Example: "mero identity import me.json",
		Run:     runIdentityImport,
	}
}

func runIdentityImport(ctx context.Context, e *line.Env) error {
	file := e.Arg(0)
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	return stopped(e, func(cfg node.Config) error {
		passphrase, err := passphrase(e, false)
		if err != nil {
			return err
		}
		secret, err := keyfile.Open(text, passphrase)
		if err != nil {
			return err
		}
		changed, err := node.ImportIdentity(ctx, e.Home, cfg, secret)
		if err != nil {
			return err
		}
		if !changed {
			e.Note("note: the node has this key already")
		}
		return exported(e, "imported", secret, file)
	})
}

func exported(e *line.Env, what string, secret node.Secret, file string) error {
	doc := exportedDoc{PublicKey: secret.Public(), File: file}
	if !secret.Context.IsZero() {
		doc.ContextID = secret.Context.String()
	}
	return e.Object(doc, func(w io.Writer) { show.Line(w, "%s %s", what, e.ID(doc.PublicKey)) })
}

// stopped works in the home of a node that has to be stopped for it.
func stopped(e *line.Env, do func(node.Config) error) error {
	if pid, running := e.Home.Running(); running {
		return &line.FailedError{
			Code: line.ExitFailed, Text: fmt.Sprintf("node %s is running (pid %d)", e.Home.Name(), pid),
			Hint: "stop it first: private keys are read and written in the home only, never by the API",
		}
	}
	return e.Offline(do)
}

// passphrase asks on a terminal, twice for a new one; elsewhere it is the first
// line of standard input.
func passphrase(e *line.Env, isNew bool) ([]byte, error) {
	f, ok := e.In.(*os.File)
	if !ok || !e.Interactive() {
		text, err := bufio.NewReader(e.In).ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the passphrase: %w", err)
		}
		if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 {
			return nil, line.Usagef("no passphrase: give it as the first line of standard input")
		}
		return text, nil
	}
	first, err := ask(e, f, "passphrase: ")
	if err != nil || !isNew {
		return first, err
	}
	if len(first) == 0 {
		return nil, line.Usagef("an empty passphrase protects nothing")
	}
	second, err := ask(e, f, "again: ")
	if err == nil && !bytes.Equal(first, second) {
		err = line.Usagef("the two passphrases differ")
	}
	return first, err
}

func ask(e *line.Env, terminal *os.File, prompt string) ([]byte, error) {
	_, _ = io.WriteString(e.Err, prompt) // nobody is left to tell
	text, err := term.ReadPassword(int(terminal.Fd()))
	_, _ = io.WriteString(e.Err, "\n")
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	return text, nil
}
