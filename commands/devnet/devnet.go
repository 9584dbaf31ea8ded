package devnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mero/commands/child"
	"mero/node"
	"mero/node/api"
	"mero/node/ident"
)

const (
	// DefaultNodes is how many nodes a network has unless told.
	DefaultNodes = 3
	// MaxNodes is the most that one may have.
	MaxNodes = 32
	// Alias is the name that all nodes give the context.
	Alias = "devnet"
	// invitationTime is for how long the invitation is good that the others join by.
	invitationTime = time.Hour
)

// Config says what network is made.
type Config struct {
	// Nodes is how many there are, 1 … MaxNodes.
	Nodes int
	// Name and Code are the application, Params what its init is called with.
	Name   string
	Code   []byte
	Params []byte
	// Dir is where the homes are made, and kept: DIR/n1, with a log DIR/n1.log. Empty:
	// in a directory for temporary files, which is deleted at the end.
	Dir string
	// Program is what the nodes run; zero is the running one.
	Program child.Program
	// Progress is told what happens; nil is nobody.
	Progress func(text string)
}

// Node is a running node of a network.
type Node struct {
	Name            string          `json:"name"`
	API             string          `json:"api"`
	PeerID          string          `json:"peerId"`
	Token           string          `json:"token"`
	MemberPublicKey ident.PublicKey `json:"memberPublicKey"`
}

// Network is one that is ready: each node is a member of the context, and its state
// can be used.
type Network struct {
	Nodes         []Node          `json:"nodes"`
	ContextID     ident.ContextID `json:"contextId"`
	ApplicationID ident.AppID     `json:"applicationId"`
	// Home is the directory with the homes.
	Home string `json:"home"`
}

// EndedError says that a node ended although nobody asked it to.
type EndedError struct{ Name, Log string }

// Error says which, and its last words.
func (e *EndedError) Error() string {
	return "node " + e.Name + " of the network ended: " + e.Log
}

// network is one that runs.
type network struct {
	cfg    Config
	base   string
	homes  []*child.Home
	nodes  []*child.Node
	client []*api.Client
}

// Run makes a network, calls ready, and keeps it until ctx ends, which is no error
// once it was ready, or a node ends (*EndedError). It returns when all children have
// ended and, without Config.Dir, their files are deleted.
func Run(ctx context.Context, cfg Config, ready func(*Network) error) (err error) {
	if cfg.Nodes < 1 || cfg.Nodes > MaxNodes {
		return fmt.Errorf("%d nodes: a network has 1 to %d", cfg.Nodes, MaxNodes)
	}
	if cfg.Program == (child.Program{}) {
		if cfg.Program, err = child.This(); err != nil {
			return err
		}
	}
	n := &network{cfg: cfg, nodes: make([]*child.Node, cfg.Nodes), client: make([]*api.Client, cfg.Nodes)}
	if n.base, err = filepath.Abs(cfg.Dir); err != nil {
		return fmt.Errorf("directory of the network: %w", err)
	}
	if cfg.Dir == "" {
		if n.base, err = os.MkdirTemp("", "mero-devnet-"); err != nil {
			return fmt.Errorf("make a directory for the homes: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(n.base)) }()
	} else if err := os.MkdirAll(n.base, 0o700); err != nil {
		return fmt.Errorf("make the directory of the network: %w", err)
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	made, err := n.make(ctx)
	if err != nil {
		return err
	}
	if err := ready(made); err != nil {
		return err
	}
	return n.wait(ctx)
}

// make starts all nodes and lets them share a context. The others start while the
// first one compiles the application.
func (n *network) make(ctx context.Context) (*Network, error) {
	for i := range n.cfg.Nodes {
		name := fmt.Sprintf("n%d", i+1)
		home, err := node.HomeAt(n.base, name)
		if err != nil {
			return nil, err
		}
		n.homes = append(n.homes, &child.Home{
			Program: n.cfg.Program, Base: n.base, Node: home, Log: filepath.Join(n.base, name+".log"),
		})
	}
	if err := n.start(ctx, 0, "--node-type", "coordinator"); err != nil {
		return nil, err
	}
	made := &Network{Home: n.base, Nodes: make([]Node, len(n.homes))}
	first, running := errgroup.WithContext(ctx)
	first.Go(func() error { return n.create(running, made) })
	for i := range n.homes[1:] {
		first.Go(func() error { return n.start(ctx, i+1, "--swarm-addrs", strings.Join(n.nodes[0].P2P, ",")) })
	}
	if err := first.Wait(); err != nil {
		return nil, causeOf(ctx, err)
	}
	if err := n.join(ctx, made); err != nil {
		return nil, causeOf(ctx, err)
	}
	for i, p := range n.nodes {
		owned, err := n.client[i].OwnedIdentities(ctx, made.ContextID)
		if err != nil {
			return nil, err
		}
		if len(owned) == 0 {
			return nil, fmt.Errorf("node %s is no member of the context", n.homes[i].Node.Name())
		}
		made.Nodes[i] = Node{n.homes[i].Node.Name(), p.URL(), p.PeerID, p.Token, owned[0]}
	}
	return made, nil
}

// causeOf is the cause of what the end of ctx made fail.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// start starts one node. Its ports are free ones each time, so where the first one
// is, is told the others each time, too.
func (n *network) start(ctx context.Context, i int, flags ...string) error {
	n.say("starting node " + n.homes[i].Node.Name())
	started, err := n.homes[i].Start(ctx, append([]string{
		"--server-host", "127.0.0.1", "--server-port", "0", "--swarm-host", "127.0.0.1", "--swarm-port", "0",
	}, flags...)...)
	if err != nil {
		return err
	}
	n.nodes[i] = started
	n.client[i], err = api.NewClient(api.ClientConfig{URL: started.URL(), Token: started.Token})
	return err
}

// create installs the application on the first node and makes the context, if it is
// not there.
func (n *network) create(ctx context.Context, made *Network) error {
	client := n.client[0]
	known, ok, err := client.LookupAlias(ctx, api.AliasScope{Kind: api.AliasContext}, Alias)
	if err != nil {
		return err
	}
	if ok {
		there, err := client.Context(ctx, ident.ContextID(known))
		made.ContextID, made.ApplicationID = there.ID, there.ApplicationID
		return err
	}
	n.say("installing " + n.cfg.Name)
	made.ApplicationID, err = client.Upload(ctx, bytes.NewReader(n.cfg.Code), api.UploadOptions{Name: n.cfg.Name, Size: int64(len(n.cfg.Code))})
	if err != nil {
		return fmt.Errorf("install %s: %w", n.cfg.Name, err)
	}
	created, err := client.CreateContext(ctx, api.CreateContextRequest{ApplicationID: made.ApplicationID, InitializationParams: n.cfg.Params})
	if err != nil {
		return fmt.Errorf("make the context: %w", err)
	}
	made.ContextID = created.ContextID
	return n.alias(ctx, client, made.ContextID)
}

func (n *network) alias(ctx context.Context, client *api.Client, id ident.ContextID) error {
	return client.CreateAlias(ctx, api.AliasScope{Kind: api.AliasContext}, Alias, api.ID(id))
}

// join makes the other nodes members.
func (n *network) join(ctx context.Context, made *Network) error {
	var outside []int
	for i, client := range n.client[1:] {
		_, ok, err := client.LookupAlias(ctx, api.AliasScope{Kind: api.AliasContext}, Alias)
		if err != nil {
			return err
		}
		if !ok {
			outside = append(outside, i+1)
		}
	}
	if len(outside) == 0 {
		return nil
	}
	var many uint32 // 0: as many as like
	invitation, err := n.client[0].Invite(ctx, made.ContextID, api.InviteRequest{TTLSeconds: uint64(invitationTime.Seconds()), Uses: &many})
	if err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	n.say("joining")
	group, ctx := errgroup.WithContext(ctx)
	for _, i := range outside {
		group.Go(func() error {
			// Compiling takes most of a start; nobody has to do it twice.
			if err := copyMissing(n.homes[i].Node.CacheDir(), n.homes[0].Node.CacheDir()); err != nil {
				return fmt.Errorf("copy the compiled application: %w", err)
			}
			joined, err := n.client[i].Join(ctx, api.JoinRequest{Invitation: invitation.Invitation})
			if err != nil {
				return fmt.Errorf("node %s does not join: %w", n.homes[i].Node.Name(), err)
			}
			state, err := n.client[i].WaitUsable(ctx, joined.ContextID, child.Patience)
			if err == nil && !state.Usable {
				err = errors.New(state.Missing)
			}
			if err != nil {
				return fmt.Errorf("node %s has joined, but cannot use the context: %w", n.homes[i].Node.Name(), err)
			}
			return n.alias(ctx, n.client[i], joined.ContextID)
		})
	}
	return group.Wait()
}

// copyMissing copies the files that a directory lacks. They appear whole: whoever
// reads a file finds all of it.
func copyMissing(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		if _, err := os.Stat(target); !entry.Type().IsRegular() || err == nil {
			return nil
		}
		return copyFile(target, path)
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // read only
	out, err := os.CreateTemp(filepath.Dir(to), ".copy-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Close())
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		_ = os.Remove(out.Name()) // it may be gone
	}
	return err
}

// wait returns when ctx ends, or a node.
func (n *network) wait(ctx context.Context) error {
	ended := make(chan int, len(n.nodes))
	quit := make(chan struct{})
	var watching errgroup.Group
	for i, p := range n.nodes {
		watching.Go(func() error {
			select {
			case <-p.Ended():
				ended <- i
			case <-quit:
			}
			return nil
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case i := <-ended:
		// An interrupt of a terminal reaches all at once, the nodes perhaps first.
		select {
		case <-ctx.Done():
		case <-time.After(interruptTime):
			err = &EndedError{n.homes[i].Node.Name(), child.Tail(n.homes[i].Log)}
		}
	}
	close(quit)
	return errors.Join(err, watching.Wait())
}

// interruptTime is how much later this process may hear of an interrupt than a node.
const interruptTime = 500 * time.Millisecond

// stop ends all nodes at once.
func (n *network) stop() error {
	var stopping errgroup.Group
	for _, p := range n.nodes {
		if p != nil {
			stopping.Go(p.Stop)
		}
	}
	return stopping.Wait()
}

func (n *network) say(text string) {
	if n.cfg.Progress != nil {
		n.cfg.Progress(text)
	}
}
