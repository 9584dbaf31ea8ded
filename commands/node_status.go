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
					"sync", fmt.Sprintf("%d equal, %d behind, %d without a peer", s.Sync.Equal, s.Sync.Behind, s.Sync.Alone),
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
