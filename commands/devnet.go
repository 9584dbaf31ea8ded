package commands

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/appdev"
	"mero/commands/devnet"
	"mero/commands/line"
	"mero/commands/show"
)

func localNetwork() *line.Verb {
	return &line.Verb{
		Name: "devnet", Max: 0, Daemon: true, Summary: "a network of nodes on this machine that share a context",
		Long: "Starts nodes n1, n2 … on free ports of loopback, with an application and a context that\n" +
			"the first makes and all join; each knows it by the name devnet. Prints one object, or\n" +
			"what to type next, when all are ready. An interrupt ends all and deletes what they\n" +
			"made; with --keep it stays in DIR, and goes on from there the next time.",
		Example: "mero devnet --nodes 3",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", Value: devnet.DefaultNodes, Usage: "`N` nodes"},
			&cli.StringFlag{Name: "app", DefaultText: "example:kv", Usage: "`APP` that they run: a .wasm file, or the directory of an application, which is built"},
			&cli.StringFlag{Name: "params", Aliases: []string{"p"}, Usage: "`JSON` for the application's init"},
			&cli.StringFlag{Name: "keep", Usage: "`DIR` for the homes, which stay there"},
		},
		Run: runDevnet,
	}
}

func runDevnet(ctx context.Context, e *line.Env) error {
	cfg := devnet.Config{
		Nodes: e.Flags.Int("nodes"), Params: []byte(e.Flags.String("params")), Dir: e.Flags.String("keep"),
		Progress: func(text string) { e.Note("%s", text) },
	}
	if cfg.Nodes < 1 || cfg.Nodes > devnet.MaxNodes {
		return line.Usagef("--nodes %d: wants 1 to %d", cfg.Nodes, devnet.MaxNodes)
	}
	if len(cfg.Params) > 0 {
		if err := checkJSON("--params", string(cfg.Params)); err != nil {
			return err
		}
	}
	var err error
	if cfg.Name, cfg.Code, err = devnetApp(ctx, e); err != nil {
		return err
	}
	return devnet.Run(ctx, cfg, func(n *devnet.Network) error {
		return e.Object(n, func(w io.Writer) {
			show.Line(w, "%s are ready, and members of context %s (application %s):", show.Count(len(n.Nodes), "node"), e.ID(n.ContextID), e.ID(n.ApplicationID))
			rows := make([][]string, 0, len(n.Nodes))
			for _, node := range n.Nodes {
				rows = append(rows, []string{node.Name, node.API, e.ID(node.MemberPublicKey)})
			}
			show.Table(w, []string{"NODE", "API", "MEMBER"}, rows)
			last := n.Nodes[len(n.Nodes)-1].Name
			show.Line(w, "\nIn another shell:\n  export MERO_HOME=%s", n.Home)
			if !e.Flags.IsSet("app") {
				show.Line(w, "  mero --node n1 call set --context %s --args '{\"key\":\"hello\",\"value\":\"world\"}'", devnet.Alias)
				show.Line(w, "  mero --node %s call get --context %s --args '{\"key\":\"hello\"}'", last, devnet.Alias)
			} else {
				show.Line(w, "  mero --node n1 app methods %s\n  mero --node %s context state %s", e.ID(n.ApplicationID), last, devnet.Alias)
			}
		})
	})
}

// devnetApp is the application that --app names, built when it is a directory.
func devnetApp(ctx context.Context, e *line.Env) (name string, code []byte, err error) {
	source := e.Flags.String("app")
	if source == "" {
		source = "example:kv"
	}
	if info, statErr := os.Stat(source); statErr == nil && info.IsDir() {
		made, err := appdev.Build(ctx, appdev.Config{Dir: source, Environ: e.Environ, Note: func(text string) { e.Say("%s", text) }})
		if err != nil {
			return "", nil, err
		}
		source = made.File
	}
	opened, err := openCode(source)
	if err != nil {
		return "", nil, err
	}
	defer opened.Close() //nolint:errcheck // read only
	if code, err = io.ReadAll(opened); err != nil {
		return "", nil, fmt.Errorf("read the application: %w", err)
	}
	return strings.TrimSuffix(filepath.Base(opened.name), ".wasm"), code, nil
}
