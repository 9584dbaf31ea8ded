package commands

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
)

func nodeStatus() *line.Verb {
	return &line.Verb{
		Name: "status", Max: 0, Summary: "describe a running node",
		Long:    "With --wait, once it is ready: for scripts that have just started it.",
		Example: "mero node status --wait",
		Flags:   []cli.Flag{&cli.BoolFlag{Name: "wait", Usage: "until the node is ready, at most 60s or --timeout"}},
		Run: func(ctx context.Context, e *line.Env) error {
			s, err := status(ctx, e)
			if err != nil {
				return err
			}
			return e.Object(s, func(w io.Writer) {
				state := "ready"
				if s.ReadOnly != "" {
					state = "read-only: " + s.ReadOnly
				}
				show.Pairs(
					w, "node", s.Name, "state", state, "version", s.Version, "peer id", s.PeerID,
					"api", strings.Join(s.API, " "), "p2p", strings.Join(s.P2P, "\n\t"), "auth", s.Auth,
					"uptime", (time.Duration(s.UptimeSeconds) * time.Second).String(),
					"contexts", strconv.Itoa(s.Contexts), "applications", strconv.Itoa(s.Applications), "peers", strconv.Itoa(s.Peers),
					"memory", show.Bytes(s.Memory.HeapBytes)+" used, "+show.Bytes(s.Memory.SystemBytes)+" held",
					"disk", show.Bytes(s.Disk.StoreBytes)+" store, "+show.Bytes(s.Disk.BlobBytes)+" blobs, "+show.Bytes(s.Disk.FreeBytes)+" free",
				)
			})
		},
	}
}

// pollTime is how often a node that is not there yet is looked for.
const pollTime = 10 * time.Millisecond

// status asks the node, again and again with --wait while nobody answers.
func status(ctx context.Context, e *line.Env) (api.Status, error) {
	ask := func() (api.Status, error) {
		client, err := e.Client()
		if err != nil {
			return api.Status{}, err
		}
		return client.Status(ctx)
	}
	tick := time.NewTicker(pollTime)
	defer tick.Stop()
	for {
		s, err := ask()
		if err == nil || !e.Flags.Bool("wait") || line.Code(ctx, err) != line.ExitNoNode {
			return s, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return s, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

func nodePeers() *line.Verb {
	return &line.Verb{
		Name: "peers", Max: 0, Summary: "list the connected peers",
		Example: "mero node peers",
		Run: func(ctx context.Context, e *line.Env) error {
			client, err := e.Client()
			if err != nil {
				return err
			}
			peers, err := client.Peers(ctx)
			if err != nil {
				return err
			}
			type peerDoc struct {
				PeerID    string  `json:"peerId"`
				Addr      string  `json:"addr"`
				Transport string  `json:"transport"`
				Direction string  `json:"direction"`
				LatencyMs float64 `json:"latencyMs"`
			}
			docs := make([]peerDoc, 0, len(peers))
			for _, p := range peers {
				docs = append(docs, peerDoc{p.ID, p.Addr, p.Transport, p.Direction, p.LatencyMs})
			}
			return line.List(e, docs, []string{"PEER", "TRANSPORT", "DIRECTION", "LATENCY", "ADDRESS"}, func(p peerDoc) []string {
				latency := ""
				if p.LatencyMs > 0 {
					latency = fmt.Sprintf("%.1f ms", p.LatencyMs)
				}
				return []string{p.PeerID, p.Transport, p.Direction, latency, p.Addr}
			})
		},
	}
}
