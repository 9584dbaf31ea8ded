package store_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/auth"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

// TestDiskFull meets a full disk with every method that writes (F5).
func TestDiskFull(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 40)
	reg := prometheus.NewRegistry()
	dir := filepath.Join(fastDir(t), "db")
	s, err := store.Open(dir, noSync(), store.Deps{
		Log: zerolog.Nop(), Metrics: reg, FreeBytes: func(string) (uint64, error) { return free.Load(), nil },
	})
	must(t, err)
	defer func() { must(t, s.Close()) }()
	r := newReplica(t, s, 1)
	r.commit(t, s, 10, r.set("a", []byte("1")))
	must(t, s.PutApp(t.Context(), store.App{ID: ident.AppID{1}}))
	must(t, s.SetAlias(t.Context(), store.AliasContext, ident.ContextID{}, "x", [32]byte{1}))
	who, err := store.NewIdentity(time.Unix(1, 0))
	must(t, err)
	doomed := newReplica(t, s, 2)
	sites := map[string]func() error{
		"step":       func() error { return s.Commit(t.Context(), r.step(100, r.set("a", []byte("2")))) },
		"large step": func() error { return s.Commit(t.Context(), r.step(3<<20, r.set("b", pattern(3<<20, 1)))) },
		"create": func() error {
			return s.Commit(t.Context(), &store.Step{Context: &store.Context{ID: contextID(9)}, Create: true})
		},
		"scratch": func() error {
			sc, err := s.NewScratch(r.id)
			must(t, err)
			return errors.Join(sc.Put(t.Context(), []store.Change{put("a", nil)}), sc.Discard(t.Context()))
		},
		"queue":        func() error { return s.Commit(t.Context(), &store.Step{XCallsAdd: []store.XCall{{Function: "f"}}}) },
		"app":          func() error { return s.PutApp(t.Context(), store.App{ID: ident.AppID{2}}) },
		"delete app":   func() error { return s.DeleteApp(t.Context(), ident.AppID{1}) },
		"alias":        func() error { return s.SetAlias(t.Context(), store.AliasContext, ident.ContextID{}, "y", [32]byte{2}) },
		"delete alias": func() error { return s.DeleteAlias(t.Context(), store.AliasContext, ident.ContextID{}, "x") },
		"identity":     func() error { return s.PutIdentity(t.Context(), who) },
		"token":        func() error { return s.PutKey(auth.Key{ID: "k"}) },
		"delete token": func() error { return s.DeleteKey("k") },
		"delete":       func() error { return s.DeleteContext(t.Context(), doomed.id) },
	}
	before := contents(t, s)
	transaction := s.Transaction()
	free.Store(store.DefaultReserve - 1)
	for name, site := range sites {
		if err := site(); !errors.Is(err, store.ErrDiskFull) {
			t.Errorf("%s: got %v, want ErrDiskFull", name, err)
		}
		if err := s.Writable(); !errors.Is(err, store.ErrDiskFull) {
			t.Errorf("%s: Writable: %v", name, err)
		}
	}
	if got := s.Transaction(); got != transaction {
		t.Errorf("%d transactions on a full disk", got-transaction)
	}
	if got := contents(t, s); !reflect.DeepEqual(got, before) {
		t.Errorf("something changed: %v, was %v", got, before)
	}
	if n := metric(t, reg, "mero_store_read_only_count"); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	r.n = 1
	r.check(t, s)
	free.Store(1 << 40)
	must(t, s.Writable())
	r.n = 1
	r.commit(t, s, 100, r.set("a", []byte("2")))
	r.commit(t, s, 3<<20, r.set("b", pattern(3<<20, 1)))
	for name, site := range sites {
		if name != "step" && name != "large step" {
			if err := site(); err != nil {
				t.Errorf("%s, after space was freed: %v", name, err)
			}
		}
	}
	r.check(t, s)
	if n := metric(t, reg, "mero_store_read_only_count"); n != 0 {
		t.Errorf("the metric says %v", n)
	}
}

// metric is the value of a gauge.
func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func contents(t *testing.T, s *store.Store) map[byte]int {
	t.Helper()
	records, err := s.Records()
	must(t, err)
	return records
}

// TestDiskFillsDuringLargeStep lets the disk fill at every transaction of a step.
func TestDiskFillsDuringLargeStep(t *testing.T) {
	for n := 1; ; n += scale {
		var calls, limit atomic.Int64
		limit.Store(1 << 40)
		s, err := store.Open(filepath.Join(fastDir(t), "db"), noSync(), store.Deps{Log: zerolog.Nop(), FreeBytes: func(string) (uint64, error) {
			if calls.Add(1) > limit.Load() {
				return 0, nil
			}
			return 1 << 40, nil
		}})
		must(t, err)
		r := newReplica(t, s, 1)
		seedState(t, s, r)
		s.SetLimits(500<<10, 1000)
		limit.Store(calls.Load() + int64(n))
		st := largeStep(r, 512<<10)
		err = s.Commit(t.Context(), st)
		full := s.Writable() != nil
		if err == nil {
			r.done(st)
		} else if r.n--; !errors.Is(err, store.ErrDiskFull) {
			t.Fatalf("at %d: %v", n, err)
		}
		if derr := r.diff(s); derr != nil {
			t.Fatalf("at %d, acknowledged %v: %v", n, err == nil, derr)
		}
		finished := !full && err == nil
		limit.Store(1 << 40)
		r.commit(t, s, 10, r.set("after", []byte("1")))
		must(t, s.Tidy(t.Context()))
		r.check(t, s)
		noLeftovers(t, s, r)
		must(t, s.Close())
		if finished {
			t.Logf("%d places", n)
			return
		}
	}
}

// TestRealFullDisk fills a small file system beside the store, and frees it.
func TestRealFullDisk(t *testing.T) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("needs Linux and root to mount a tmpfs")
	}
	mount := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", mount).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a tmpfs here (needs CAP_SYS_ADMIN): %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", mount).Run() })
	s, err := store.Open(filepath.Join(mount, "db"), store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	must(t, err)
	r := newReplica(t, s, 1)
	r.commit(t, s, 10, r.set("a", pattern(10_000, 1)))
	ballast := filepath.Join(mount, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 60<<20), 0o600))
	full := 0
	for n := range 400 {
		st := r.step(100_000, r.set(fmt.Sprint("k", n%50), pattern(200_000, uint64(n))))
		err := s.Commit(t.Context(), st)
		if err == nil {
			r.done(st)
			continue
		}
		r.n--
		if !errors.Is(err, store.ErrDiskFull) {
			t.Fatal(err)
		}
		if full++; full > 5 {
			break
		}
	}
	if full == 0 {
		t.Fatal("the disk never filled")
	}
	must(t, os.WriteFile(ballast, make([]byte, 100<<20), 0o600)) // more than the store would take
	r.check(t, s)
	must(t, s.Close()) // writes the log to a table: the reserve is for that
	if s, err = store.Open(filepath.Join(mount, "db"), store.DefaultConfig(), store.Deps{Log: zerolog.Nop()}); errors.Is(err, store.ErrDiskFull) {
		must(t, os.Remove(ballast))
		s, err = store.Open(filepath.Join(mount, "db"), store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	}
	must(t, err)
	r.check(t, s)
	_ = os.Remove(ballast)
	r.commit(t, s, 10, r.set("a", pattern(10, 2)))
	r.check(t, s)
	must(t, s.Close())
}

// TestDiskStaysBounded overwrites a large value by its changed pages.
func TestDiskStaysBounded(t *testing.T) {
	dir := filepath.Join(fastDir(t), "db")
	s := open(t, dir, noSync())
	r := newReplica(t, s, 1)
	value := pattern(800<<10, 1)
	r.commit(t, s, 10, r.set("index", value))
	before := s.Transaction()
	for n := range 600 {
		value = append([]byte(nil), value...)
		for i := range 6 {
			value[(n*7919+i*131072)%len(value)]++
		}
		r.commit(t, s, 100, r.set("index", value))
	}
	r.check(t, s)
	_, written, err := s.WrittenSince(before)
	must(t, err)
	occupied, _ := diskBytes(t, dir)
	t.Logf("600 overwrites: %d KiB on disk, %d KiB were kept of what was written", occupied>>10, written>>10)
	if occupied > 48<<20 {
		t.Errorf("%d MiB on disk for a value of 800 KiB", occupied>>20)
	}
	must(t, s.Close())
	s = open(t, dir, noSync())
	r.check(t, s)
	occupied, _ = diskBytes(t, dir)
	t.Logf("after opening again: %d KiB", occupied>>10)
	names, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	must(t, err)
	for _, name := range names {
		fi, err := os.Stat(name)
		must(t, err)
		if blocks(fi) > 8<<10 {
			t.Errorf("%s has %d bytes: values went to the value log", name, blocks(fi))
		}
	}
}

// TestDiskOfOverwrites overwrites 100 bytes of 1 000 keys, each time with an undo
// span, and keeps the last 1 000 of these (P19). With MERO_LONG=1 it takes 100 000
// steps instead of 10 000.
func TestDiskOfOverwrites(t *testing.T) {
	steps := uint64(10_000 / scale)
	if os.Getenv("MERO_LONG") != "" {
		steps = 100_000
	}
	for name, deltaBytes := range map[string]int{"without deltas": 0, "with deltas": 600} {
		t.Run(name, func(t *testing.T) { diskOfOverwrites(t, steps, deltaBytes) })
	}
}

func diskOfOverwrites(t *testing.T, steps uint64, deltaBytes int) {
	const keys, recent = 1000, 1000
	dir := filepath.Join(fastDir(t), "db")
	s := open(t, dir, noSync())
	r := newReplica(t, s, 1)
	highest := int64(0)
	for n := range steps {
		st := r.step(deltaBytes, r.set(fmt.Sprint("key", n*7919%keys), pattern(100, n)))
		if deltaBytes == 0 {
			st.Deltas = nil
			st.Context.Deltas = 0
		}
		// The old value, its key and places: what replica keeps for such a step.
		st.Undo = []store.Undo{span(r.id, n, n+1, 300)}
		if n >= recent {
			st.UndoDrop = refsOf(span(r.id, n-recent, n-recent+1, 300))
		}
		must(t, s.Commit(t.Context(), st))
		r.done(st)
		if n%1000 == 0 {
			occupied, _ := diskBytes(t, dir)
			highest = max(highest, occupied)
		}
	}
	r.check(t, s)
	must(t, s.Close())
	closed, _ := diskBytes(t, dir)
	kept := keptKiB(t, dir, false)
	flat := keptKiB(t, dir, true)
	compacted, _ := diskBytes(t, dir)
	t.Logf("%d steps: %d KiB on disk at most, %d KiB closed %v, %d KiB compacted %v",
		steps, highest>>10, closed>>10, kept, compacted>>10, flat)
	if n := flat["state"] + flat["undo"]; n > 2<<10 {
		t.Errorf("state and undo have %d KiB, P19 allows 2 MiB", n)
	}
	// Fewer steps, as under the race detector, end in one table, which badger leaves
	// as it is, old context records and all.
	if deltaBytes == 0 && steps >= 10_000 && compacted > 2<<20 {
		t.Errorf("%d KiB on disk, P19 allows 2 MiB", compacted>>10)
	}
	if deltaBytes == 0 && highest > 64<<20 {
		t.Errorf("%d MiB on disk meanwhile", highest>>20)
	}
}

// keptKiB opens a store, compacts it if asked, and tells what it holds; it is closed
// again.
func keptKiB(t *testing.T, dir string, flatten bool) map[string]int {
	t.Helper()
	s := open(t, dir, noSync())
	if flatten {
		must(t, s.Flatten())
	}
	kept, err := s.Kept()
	must(t, err)
	must(t, s.Close())
	out := make(map[string]int)
	for table, bytes := range kept {
		name, ok := map[byte]string{
			store.TableState: "state", store.TableUndo: "undo", store.TableDelta: "deltas", store.TableFate: "fates",
		}[table]
		if !ok {
			name = "other"
		}
		out[name] += bytes
	}
	for name := range out {
		out[name] >>= 10
	}
	return out
}

// TestOpenTimesAndMemory measures P15 and P16 for the store's part.
func TestOpenTimesAndMemory(t *testing.T) {
	dir := filepath.Join(fastDir(t), "db")
	begun := time.Now()
	s := open(t, dir, store.DefaultConfig())
	empty := time.Since(begun)
	must(t, s.Close())
	idleEmpty := idleMemory(t, dir)
	s = open(t, dir, store.DefaultConfig())
	var replicas []*replica
	for n := range uint64(100 / scale) {
		r := newReplica(t, s, n)
		replicas = append(replicas, r)
		for len(r.state) < 1000 { // deltas 100 at a time, as sync does
			st := r.step(0)
			st.Deltas = nil
			for range 100 {
				d := delta.Time((r.rec.Deltas + uint64(len(st.Deltas)) + 1) * delta.Tick)
				n := uint64(d) / delta.Tick
				st.Deltas = append(st.Deltas, store.DeltaRecord{ID: deltaID(r.id, n), Time: d, Bytes: pattern(700, n), Fate: store.FateFolded})
				st.State = append(st.State, r.set(fmt.Sprint("key", n), pattern(100, n)))
			}
			st.Context.Deltas = r.rec.Deltas + 100
			must(t, s.Commit(t.Context(), st))
			r.done(st)
		}
	}
	must(t, s.Close())
	replicas[3].state = clone(replicas[3]).state
	full := time.Duration(1 << 62)
	for range 3 { // the best of three: others use the machine too
		begun = time.Now()
		s = open(t, dir, store.DefaultConfig())
		full = min(full, time.Since(begun))
		must(t, s.Close())
	}
	idleFull := idleMemory(t, dir)
	s = open(t, dir, store.DefaultConfig())
	contexts, err := s.Contexts()
	must(t, err)
	replicas[3].check(t, s)
	occupied, _ := diskBytes(t, dir)
	t.Logf("open empty %v, with %d contexts × 1000 deltas %v; %d MiB on disk; memory %d and %d MiB",
		empty, len(contexts), full, occupied>>20, idleEmpty>>20, idleFull>>20)
	if empty > 400*time.Millisecond || full > 1250*time.Millisecond {
		t.Errorf("opening is five times slower than it may be on an idle machine (80, 250 ms)")
	}
	if scale == 1 && (idleEmpty > 40<<20 || idleFull > 100<<20) {
		t.Errorf("memory is more than a node may have (P16)")
	}
}

// rss is what the process has in memory, zero where that cannot be told.
func rss() int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
