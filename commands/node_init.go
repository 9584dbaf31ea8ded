package commands

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
)

// initFlags choose settings for the file that init writes; `node run` has them
// too.
func initFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "server-host", Usage: "`HOSTS` that the API listens on, separated by commas (default: 127.0.0.1,::1)"},
		&cli.StringFlag{Name: "server-port", Usage: "`PORT` of the API, 0 for a free one (default: 2528)"},
		&cli.StringFlag{Name: "swarm-host", Usage: "`HOSTS` to listen on for other nodes, separated by commas (default: 0.0.0.0,::)"},
		&cli.StringFlag{Name: "swarm-port", Usage: "`PORT` for other nodes, TCP and QUIC, 0 for a free one (default: 2428)"},
		&cli.StringFlag{Name: "swarm-addrs", Usage: "`ADDRESSES` of nodes to join the network through, separated by commas: /ip4/…/p2p/…"},
		&cli.StringFlag{Name: "node-type", Usage: "`TYPE` of node: peer, or coordinator for one that everybody can reach"},
		&cli.BoolFlag{Name: "mdns", Usage: "find nodes on the local network"},
		&cli.BoolFlag{Name: "no-mdns", Usage: "do not (the default)"},
		&cli.StringFlag{Name: "auth", Usage: "`MODE` of the API: token, or none (loopback only)"},
	}
}

func nodeInit() *line.Verb {
	return &line.Verb{
		Name: "init", Max: 0, Summary: "create a node: its keys and its config.toml",
		Long:    "mero node run does it too when there is no node yet. --force begins anew: it deletes\nwhat the node had, keys and contexts included.",
		Example: "mero node init --node n2 --server-port 2529 --swarm-port 2429",
		Flags:   append(initFlags(), &cli.BoolFlag{Name: "force", Usage: "delete the node that is there, and begin anew"}),
		Run: func(ctx context.Context, e *line.Env) error {
			type initDoc struct {
				Node    string `json:"node"`
				Home    string `json:"home"`
				PeerID  string `json:"peerId"`
				Created bool   `json:"created"`
			}
			settings, err := chosen(e, node.DefaultConfig())
			if err != nil {
				return err
			}
			if !e.Flags.Bool("force") && e.Home.Initialised() && len(settings) > 0 {
				e.Note("note: %s is there already, so its config.toml stays as it is; see mero node config", e.Home.Dir())
			}
			made, err := node.Init(ctx, e.Home, plain(settings), e.Flags.Bool("force"))
			if err != nil {
				return err
			}
			doc := initDoc{e.Home.Name(), e.Home.Dir(), made.PeerID, made.Created}
			return e.Object(doc, func(w io.Writer) {
				if !doc.Created {
					show.Line(w, "node %s is there already: %s", doc.Node, doc.Home)
					return
				}
				show.Line(w, "created node %s in %s (peer %s)", doc.Node, doc.Home, doc.PeerID)
			})
		},
	}
}

// chosen turns init's flags into settings. Hosts or ports that are not given
// are those of cfg.
func chosen(e *line.Env, cfg node.Config) ([]node.Override, error) {
	var out []node.Override
	add := func(flag, key, text string) {
		out = append(out, node.Override{Key: key, Text: text, Source: node.Source{Kind: node.SourceFlag, Where: "--" + flag}})
	}
	if err := checkPorts(e, "server-port", "swarm-port"); err != nil {
		return nil, err
	}
	for _, listen := range []struct {
		name, key string
		current   []string
	}{
		{"server", "server.listen", cfg.Server.Listen},
		{"swarm", "network.listen", cfg.Network.Listen},
	} {
		host, port := e.Flags.String(listen.name+"-host"), e.Flags.String(listen.name+"-port")
		if host == "" && port == "" {
			continue
		}
		list, err := relisten(listen.name == "swarm", listen.current, host, port)
		if err != nil {
			return nil, err
		}
		flag := listen.name + "-host"
		if host == "" {
			flag = listen.name + "-port"
		}
		add(flag, listen.key, strings.Join(list, ","))
	}
	for _, same := range []struct{ flag, key string }{
		{"swarm-addrs", "network.entry_points"}, {"node-type", "network.node_type"}, {"auth", "auth.mode"},
	} {
		if e.Flags.IsSet(same.flag) {
			add(same.flag, same.key, e.Flags.String(same.flag))
		}
	}
	switch on, off := e.Flags.Bool("mdns"), e.Flags.Bool("no-mdns"); {
	case on && off:
		return nil, line.Usagef("--mdns and --no-mdns exclude each other")
	case on:
		add("mdns", "network.mdns", "true")
	case off:
		add("no-mdns", "network.mdns", "false")
	}
	return out, nil
}

func checkPorts(e *line.Env, flags ...string) error {
	for _, flag := range flags {
		text := e.Flags.String(flag)
		if text == "" {
			continue
		}
		if n, err := strconv.ParseUint(text, 10, 16); err != nil || strconv.FormatUint(n, 10) != text {
			return line.Usagef("--%s %s: wants a port from 0 to 65535", flag, text)
		}
	}
	return nil
}

func plain(overrides []node.Override) []node.Setting {
	settings := make([]node.Setting, 0, len(overrides))
	for _, o := range overrides {
		settings = append(settings, node.Setting{Key: o.Key, Text: o.Text})
	}
	return settings
}
