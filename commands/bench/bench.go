package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/commands/child"
	"mero/node/sdk/examples"
	"mero/node/vm"
)

// App is a key-value application: it has set{key, value} and get{key}, and its
// init takes {}.
type App struct {
	Name string
	Code []byte
}

// Config says what is measured, and with how much patience.
type Config struct {
	// Only names measures by their ids; empty means all.
	Only []string
	// Apps are measured beside the embedded example.
	Apps []App
	Size Size
	// Dir is where homes are made; empty is the system's directory for temporary
	// files. Its disk decides what fsync costs.
	Dir string
	// Program is the path of mero; empty is the running one.
	Program string
	// Progress is told what begins; nil is nobody.
	Progress func(text string)
}

// Size is how much is done for each measure.
type Size struct {
	// Sample is how long a load runs, after a quarter of it to warm up.
	Sample time.Duration
	// Rounds is how often a pair of loads is compared.
	Rounds int
	// Starts and Commands are how many processes are timed.
	Starts, Commands int
	// Contexts and Deltas (in each) are what a node has that is not empty.
	Contexts, Deltas int
	// Keys are the sizes of the map for figures beside the target.
	Keys []int
	// Entries are the sizes of the map that P25 compares, ascending; GuestEntries
	// is the largest where the guest keeps its map by itself.
	Entries      []int
	GuestEntries int
	// Settle is how long a node is left alone before its memory is read.
	Settle time.Duration
	// Follow is how long writes at a fixed rate go on.
	Follow time.Duration
	// Joined is how many deltas a fresh node has to get, Fresh how many such nodes.
	Joined, Fresh int
	// Writes is how many each of two nodes makes, together or apart; Apart is for how
	// long they can not reach each other.
	Writes int
	Apart  time.Duration
	// Peers is how many an idle node has; Idle is for how long it is watched.
	Peers int
	Idle  time.Duration
}

// The sizes that the design's targets are for.
const (
	designContexts = 100
	designDeltas   = 1000
	designJoined   = 10_000
	designWrites   = 1000
	designApart    = time.Minute
	designPeers    = 4
)

// Full gives figures worth keeping, in about a quarter of an hour.
func Full() Size {
	return Size{
		Sample: 4 * time.Second, Rounds: 5, Starts: 11, Commands: 50,
		Contexts: designContexts, Deltas: designDeltas, Keys: []int{100, 1000}, Settle: 5 * time.Second,
		Entries: []int{0, smallMap, 10 * smallMap, 100 * smallMap}, GuestEntries: 10 * smallMap,
		Follow: 10 * time.Second, Joined: designJoined, Fresh: 3, Writes: designWrites, Apart: designApart,
		Peers: designPeers, Idle: time.Minute,
	}
}

// Quick gives a first idea, in about a minute.
func Quick() Size {
	return Size{
		Sample: 500 * time.Millisecond, Rounds: 3, Starts: 3, Commands: 10,
		Contexts: 20, Deltas: 20, Keys: []int{100}, Settle: 500 * time.Millisecond,
		Entries: []int{0, smallMap, 10 * smallMap}, GuestEntries: smallMap,
		Follow: time.Second, Joined: smallMap, Fresh: 1, Writes: 100, Apart: 3 * time.Second,
		Peers: 2, Idle: 3 * time.Second,
	}
}

// bench is one run.
type bench struct {
	cfg  Config
	emit func(Result) error
	// apps are the applications that are measured: the embedded one, those that
	// were given, and the floor, which tells what the node alone costs.
	apps []App
	// dir holds all homes; cache the compiled applications, for all of them.
	dir, cache string
	homes      int
	program    child.Program
	idle       *idle // of P20 and P21, once one of them was measured
}

// ErrUnknown says that there is no measure of a name.
var ErrUnknown = errors.New("there is no such measure")

// Run measures and gives each result to emit, whose error ends it. It returns
// after its children have ended and their files are deleted, also when ctx ends.
func Run(ctx context.Context, cfg Config, emit func(Result) error) (err error) {
	chosen, err := choose(cfg.Only)
	if err != nil {
		return err
	}
	b := &bench{cfg: cfg, emit: emit, program: child.Program{Path: cfg.Program}, apps: []App{{Name: "kv", Code: examples.KV()}}}
	b.apps = append(append(b.apps, cfg.Apps...), floor())
	if cfg.Program == "" {
		if b.program, err = child.This(); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp(cfg.Dir, "mero-bench-"); err != nil {
		return fmt.Errorf("make a directory for the homes: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.cache = filepath.Join(b.dir, "cache")
	if inMemory(b.dir) {
		b.say(b.dir + " is in memory, where fsync costs nothing: choose a disk with --dir")
	}
	for _, m := range chosen {
		b.say(m.id + ": " + m.what)
		if err := m.run(ctx, b); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("%s: %w", m.id, err)
		}
	}
	return nil
}

func choose(only []string) ([]measure, error) {
	all := measures()
	if len(only) == 0 {
		return all, nil
	}
	var chosen []measure
	for _, id := range only {
		if !slices.ContainsFunc(all, func(m measure) bool { return strings.EqualFold(m.id, id) }) {
			return nil, fmt.Errorf("%w: %s", ErrUnknown, id)
		}
	}
	for _, m := range all {
		if slices.ContainsFunc(only, func(id string) bool { return strings.EqualFold(m.id, id) }) {
			chosen = append(chosen, m)
		}
	}
	return chosen, nil
}

func (b *bench) say(text string) {
	if b.cfg.Progress != nil {
		b.cfg.Progress(text)
	}
}

// compiled fills the cache of compiled applications, so that no figure has
// compiling in it.
func (b *bench) compiled(ctx context.Context) (err error) {
	if _, err := os.Stat(b.cache); err == nil {
		return nil
	}
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{CacheDir: b.cache, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	for _, app := range b.apps {
		module, err := engine.Compile(ctx, app.Code)
		if err != nil {
			return fmt.Errorf("%s: %w", app.Name, err)
		}
		for _, method := range []string{"init", "set", "get"} {
			if !module.Has(method) {
				err = errors.Join(err, fmt.Errorf("%s has no method %s; a key-value application is wanted: init{}, set{key, value}, get{key}", app.Name, method))
			}
		}
		module.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// newDir names a directory for one more home; it is not made.
func (b *bench) newDir() string {
	b.homes++
	return filepath.Join(b.dir, strconv.Itoa(b.homes))
}

// fillCache gives a home the compiled applications.
func (b *bench) fillCache(ctx context.Context, dir string) error {
	if err := b.compiled(ctx); err != nil {
		return err
	}
	if err := os.CopyFS(dir, os.DirFS(b.cache)); err != nil {
		return fmt.Errorf("copy the compiled applications: %w", err)
	}
	return nil
}
