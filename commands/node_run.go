package commands

import (
	"context"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
)

// readyDoc is the one line that `node run` prints.
type readyDoc struct {
	API    []string `json:"api"`
	P2P    []string `json:"p2p"`
	PeerID string   `json:"peerId"`
}

func nodeRun() *line.Verb {
	return &line.Verb{
		Name: "run", Max: 0, Daemon: true, Summary: "run a node until a signal",
		Long: "Creates the node first if there is none; the flags of mero node init are then\n" +
			"written to its config.toml, and later hold for this run alone. One line is printed\n" +
			"when the node is ready; its log goes to standard error. SIGINT and SIGTERM end it in\n" +
			"order, a second one at once; kill -9 loses nothing that was acknowledged.",
		Example: "mero node run --server-port 0 --swarm-port 0",
		Flags:   append(initFlags(), &cli.StringFlag{Name: "config", Usage: "`FILE` to read in place of the home's config.toml"}),
		Run:     runNode,
	}
}

func runNode(ctx context.Context, e *line.Env) error {
	eff, err := runConfig(ctx, e)
	if err != nil {
		return err
	}
	logs, err := node.NewLogs(e.Err, eff.Config.Log)
	if err != nil {
		return err
	}
	logs.TakeLibraries()
	n, err := node.Open(ctx, e.Home, eff.Config, logs)
	if err != nil {
		return err
	}
	return n.Run(ctx, func() error {
		doc := readyDoc{n.APIAddrs(), n.P2PAddrs(), n.PeerID()}
		return e.Object(doc, func(w io.Writer) {
			show.Line(w, "node %s is ready: %s (peer %s)", e.Home.Name(), strings.Join(doc.API, " "), doc.PeerID)
		})
	})
}

// runConfig is the configuration of this run; it creates the node if needed.
func runConfig(ctx context.Context, e *line.Env) (*node.Effective, error) {
	src := node.Sources{File: e.Home.ConfigFile(), Environ: e.Environ}
	if file := e.Flags.String("config"); file != "" {
		src.File, src.MustExist = file, true
	} else if !e.Home.Initialised() {
		settings, err := chosen(e, node.DefaultConfig())
		if err != nil {
			return nil, err
		}
		if _, err := node.Init(ctx, e.Home, plain(settings), false); err != nil {
			return nil, err
		}
		e.Note("created node %s in %s", e.Home.Name(), e.Home.Dir())
	}
	// Ports and hosts that a flag leaves alone are those in effect without it.
	eff, err := node.LoadConfig(src)
	if err != nil {
		return nil, err
	}
	if src.Overrides, err = chosen(e, eff.Config); err != nil {
		return nil, err
	}
	if e.LogLevel != "" {
		src.Overrides = append(src.Overrides, node.Override{
			Key: "log.level", Text: e.LogLevel, Source: node.Source{Kind: node.SourceFlag, Where: "--log-level (MERO_LOG)"},
		})
	}
	if len(src.Overrides) == 0 {
		return eff, nil
	}
	return node.LoadConfig(src)
}
