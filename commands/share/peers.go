package share

import (
	"context"
	"fmt"
	"strconv"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
)

// Peers is `node peers`.
func Peers() *line.Verb {
	return &line.Verb{
		Name: "peers", Max: 0, Summary: "list the connected peers",
		Long: "LAG is for how long a context has been known to differ that both share, the longest of\n" +
			"them; mero sync status shows each.",
		Example: "mero node peers",
		Run:     runPeers,
	}
}

// peerDoc is a peer in json mode.
type peerDoc struct {
	PeerID    string         `json:"peerId"`
	Addr      string         `json:"addr"`
	Transport string         `json:"transport"`
	Direction string         `json:"direction"`
	LatencyMs float64        `json:"latencyMs"`
	Agent     string         `json:"agent,omitempty"`
	ClockMs   *float64       `json:"clockMs,omitempty"`
	Problem   string         `json:"problem,omitempty"`
	LagMs     float64        `json:"lagMs"`
	Contexts  []api.SyncLink `json:"contexts"`
}

func runPeers(ctx context.Context, e *line.Env) error {
	client, err := e.Client()
	if err != nil {
		return err
	}
	peers, err := client.Peers(ctx)
	if err != nil {
		return err
	}
	docs := make([]peerDoc, 0, len(peers))
	for _, p := range peers {
		doc := peerDoc{p.ID, p.Addr, p.Transport, p.Direction, p.LatencyMs, p.Agent, p.ClockMs, p.Problem, 0, p.Contexts}
		for _, c := range p.Contexts {
			doc.LagMs = max(doc.LagMs, c.LagMs)
		}
		docs = append(docs, doc)
	}
	return line.List(e, docs, []string{"PEER", "TRANSPORT", "DIRECTION", "LATENCY", "CONTEXTS", "LAG", "ADDRESS", "PROBLEM"}, func(p peerDoc) []string {
		return []string{
			p.PeerID, p.Transport, p.Direction, milliseconds(p.LatencyMs), strconv.Itoa(len(p.Contexts)), milliseconds(p.LagMs),
			p.Addr, show.Printable(p.Problem),
		}
	})
}

// milliseconds is a time for people; nothing when it is 0.
func milliseconds(ms float64) string {
	switch {
	case ms <= 0:
		return ""
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.0f s", ms/1000)
}
