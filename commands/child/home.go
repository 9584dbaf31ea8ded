package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mero/node"
)

// Home is the home of a node that may be started many times. Log is the file that
// its node writes to.
type Home struct {
	Program Program
	Base    string
	Node    node.Home
	Log     string
}

// NewHome creates a node NAME in BASE on free ports of loopback, with more flags of
// mero node init.
func (p Program) NewHome(ctx context.Context, base, name string, flags ...string) (*Home, error) {
	h := &Home{Program: p, Base: base, Log: filepath.Join(base, name+".log")}
	var err error
	if h.Node, err = node.HomeAt(base, name); err != nil {
		return nil, err
	}
	err = h.Mero(ctx, append([]string{
		"node", "init", "--server-host", "127.0.0.1", "--server-port", "0", "--swarm-host", "127.0.0.1", "--swarm-port", "0",
	}, flags...)...)
	return h, err
}

// Words begin every command line for this home.
func (h *Home) Words(args ...string) []string {
	return append([]string{"--home", h.Base, "--node", h.Node.Name()}, args...)
}

// Mero runs a command to its end.
func (h *Home) Mero(ctx context.Context, args ...string) error {
	out, err := h.Program.Command(ctx, h.Words(args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mero %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Remove deletes all that is in the home's base, once no node of it runs.
func (h *Home) Remove() error { return os.RemoveAll(h.Base) }

// Ready is what a node says when it is ready, and the token of its home.
type Ready struct {
	API    []string `json:"api"`
	P2P    []string `json:"p2p"`
	PeerID string   `json:"peerId"`
	Token  string   `json:"-"`
}

// URL is where its API is.
func (r *Ready) URL() string { return r.API[0] }

// Node is a running node.
type Node struct {
	*Process
	Ready
}

// Start runs the node until it is ready, with more flags of mero node run. It ends
// with ctx, or by Stop.
func (h *Home) Start(ctx context.Context, flags ...string) (*Node, error) {
	p, err := h.Program.Spawn(ctx, h.Log, h.Words(append([]string{"node", "run", "--output", "json"}, flags...)...)...)
	if err != nil {
		return nil, err
	}
	n := &Node{Process: p}
	if err := json.Unmarshal(p.Line, &n.Ready); err != nil || len(n.API) == 0 {
		return nil, errors.Join(fmt.Errorf("the ready line of a node is not understood: %s", p.Line), p.Stop())
	}
	n.Token = h.Node.Token()
	return n, nil
}

// While runs do beside a node of this home.
func (h *Home) While(ctx context.Context, do func(*Node) error) (err error) {
	n, err := h.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Stop()) }()
	if err := do(n); err != nil {
		return fmt.Errorf("%w%s", err, h.Died())
	}
	return nil
}

// Died says so when a node ended on its own; empty: it runs.
func (h *Home) Died() string {
	if _, running := h.Node.Running(); running {
		return ""
	}
	return "; the node ended: " + Tail(h.Log)
}
