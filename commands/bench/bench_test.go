package bench_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mero/commands"
	"mero/commands/bench"
	"mero/node/sdk/examples"
	"mero/node/vm/apptest"
)

// TestMain makes this test binary the `mero` that measures start.
func TestMain(m *testing.M) {
	if os.Args[0] == "mero" {
		os.Exit(commands.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// tiny is as little as can be measured.
func tiny() bench.Size {
	return bench.Size{
		Sample: 10 * time.Millisecond, Rounds: 1, Starts: 1, Commands: 1,
		Contexts: 2, Deltas: 2, Keys: []int{12}, Settle: time.Millisecond,
		Entries: []int{0, 1000, 1010}, GuestEntries: 20,
		Follow: 20 * time.Millisecond, Joined: 20, Fresh: 1, Writes: 3, Apart: 20 * time.Millisecond,
		Peers: 2, Idle: 20 * time.Millisecond,
	}
}

// gone checks that a run left nothing: no file, no process.
func gone(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v (%v)", left, err)
	}
	if runtime.GOOS != "linux" {
		return
	}
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		if pids, err := os.ReadFile(list); err == nil && len(pids) > 0 {
			t.Errorf("children still run: %s", pids)
		}
	}
}

// TestRun takes every measure, the embedded application standing in for a real
// one too, and with one that keeps its map by itself.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("nodes are raced by tests of their own")
	}
	dir := t.TempDir()
	var results []bench.Result
	cfg := bench.Config{Size: tiny(), Dir: dir, Apps: []bench.App{{Name: "other", Code: examples.KV()}, {Name: "rawkv", Code: apptest.RawKV(t)}}}
	err := bench.Run(t.Context(), cfg, func(r bench.Result) error {
		results = append(results, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	gone(t, dir)
	apps := map[string]map[string]bool{}
	targets := map[string]int{}
	for _, r := range results {
		switch {
		case r.Value == nil && r.Note == "", r.Value != nil && *r.Value < 0, r.Value != nil && *r.Value == 0 && r.ID != "P20" && r.ID != "P21":
			t.Errorf("no value: %+v", r)
		case (r.Target == nil) != (r.Met == nil), (r.Target == nil) != (r.Stretch == nil):
			t.Errorf("target, stretch and met go together: %+v", r)
		case r.P50 != nil && (*r.P50 > *r.P99 || r.Samples == 0):
			t.Errorf("p50 %v, p99 %v of %d", *r.P50, *r.P99, r.Samples)
		}
		if apps[r.ID] == nil {
			apps[r.ID] = map[string]bool{}
		}
		apps[r.ID][r.App] = true
		if r.Target != nil {
			targets[r.ID]++
		}
	}
	if grown := apps["P25"]; !grown["kv"] || !grown["rawkv"] || grown["floor"] {
		t.Errorf("P25 was measured for %v", grown)
	}
	// What is smaller than the design asks for has no target.
	for id, want := range map[string]int{"P1": 2, "P2": 2, "P3": 1, "P4": 0, "P6": 0, "P10": 0, "P20": 0, "P21": 0, "P7": 2, "P15": 1, "P16": 1, "P18": 1, "P22": 2, "P24": 1, "P26": 1} {
		if targets[id] != want {
			t.Errorf("%s has %d results with a target, want %d", id, targets[id], want)
		}
	}
	for _, id := range []string{"P1", "P2", "P3", "P4", "P7", "P22", "P26"} {
		if !apps[id]["kv"] || !apps[id]["other"] || !apps[id]["rawkv"] || !apps[id]["floor"] {
			t.Errorf("%s was not measured for each application: %v", id, apps[id])
		}
	}
	for _, m := range bench.Measures() {
		if len(apps[m.ID]) == 0 {
			t.Errorf("%s gave no result", m.ID)
		}
	}
}

// TestInterrupted ends runs in the middle of things: within a load, while a
// node starts, and by the one who takes the results.
func TestInterrupted(t *testing.T) {
	stop := errors.New("enough")
	for _, tt := range []struct {
		name, id, at string
		emit         error
		want         error
	}{
		{"load", "P7", "P7: kv with 10 keys", nil, context.Canceled},
		{"start", "P15", "P15: ", nil, context.Canceled},
		{"result", "P18", "", stop, stop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			size := tiny()
			if tt.emit == nil {
				size.Sample, size.Starts = time.Hour, 1_000_000 // only the interrupt can end it
			}
			err := bench.Run(ctx, bench.Config{
				Only: []string{tt.id}, Size: size, Dir: dir,
				Progress: func(text string) {
					if tt.at != "" && strings.HasPrefix(text, tt.at) {
						time.AfterFunc(300*time.Millisecond, cancel)
					}
				},
			}, func(bench.Result) error { return tt.emit })
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			gone(t, dir)
		})
	}
}

// TestRefused: what cannot be measured is said, and leaves nothing.
func TestRefused(t *testing.T) {
	empty := []byte("\x00asm\x01\x00\x00\x00\x05\x03\x01\x00\x01\x07\x0a\x01\x06memory\x02\x00")
	for _, tt := range []struct {
		name string
		cfg  bench.Config
		want []string
	}{
		{"unknown measure", bench.Config{Only: []string{"P15", "P99"}}, []string{"P99"}},
		{"no program", bench.Config{Only: []string{"P18"}, Program: filepath.Join(t.TempDir(), "none")}, []string{"P18", "none"}},
		{"no code", bench.Config{Only: []string{"P22"}, Apps: []bench.App{{Name: "text", Code: []byte("hello")}}}, []string{"P22", "text"}},
		{"no methods", bench.Config{Only: []string{"P22"}, Apps: []bench.App{{Name: "empty", Code: empty}}}, []string{"empty", "init", "set", "get"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Dir, tt.cfg.Size = t.TempDir(), tiny()
			err := bench.Run(t.Context(), tt.cfg, func(bench.Result) error { return nil })
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %s", err, part)
				}
			}
			gone(t, tt.cfg.Dir)
		})
	}
}

// TestOnly: measures are chosen by their ids, however they are written.
func TestOnly(t *testing.T) {
	var got []string
	cfg := bench.Config{Only: []string{"p18", "p24"}, Size: tiny(), Dir: t.TempDir()}
	err := bench.Run(t.Context(), cfg, func(r bench.Result) error {
		got = append(got, r.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got = slices.Compact(got); !slices.Equal(got, []string{"P24", "P18"}) {
		t.Errorf("measured %v", got)
	}
}
