package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mero/node/ident"
	"mero/node/store"
)

// kills is how often TestKill kills (F1 at the level of the store).
const kills = 15

const (
	childDir = "MERO_STORE_TEST_DIR"
	// childIdle makes the child open the store, do nothing, and print its memory.
	childIdle    = "MERO_STORE_TEST_IDLE"
	childWriters = 4
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := writeForEver(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(childIdle); dir != "" {
		if err := openAndIdle(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// openAndIdle prints what the process has in memory after the store was opened and
// every context was looked at.
func openAndIdle(dir string) error {
	s, err := store.Open(dir, store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	contexts, err := s.Contexts()
	if err != nil {
		return err
	}
	for _, c := range contexts {
		v, err := s.View(c.ID)
		if err != nil {
			return err
		}
		v.Close()
	}
	fmt.Println(rss())
	return s.Close()
}

// idleMemory is the memory of a child that has the store open, in bytes.
func idleMemory(t *testing.T, dir string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childIdle+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	must(t, err)
	return n
}

// childSpans is how many undo spans the child keeps.
const childSpans = 20

// childSpan is the undo span of step n.
func childSpan(id ident.ContextID, n uint64) store.Undo {
	return span(id, n-1, n, 300+int(n%3)*50_000)
}

// childStep is step n of a context: all of it follows from n. Every seventh is
// large, so that kills meet overlays too; childScratch adds to every fifth.
func childStep(rec *store.Context, n uint64) *store.Step {
	size := 3000
	if n%7 == 0 {
		size = 2 << 20
	}
	old := func(key string, size int, m uint64) store.Change {
		return store.Change{
			Key: []byte(key), Old: pattern(size, m-1), HadOld: m > 1, New: pattern(size, m), HasNew: true,
		}
	}
	big := old("big", 2<<20, n/7)
	big.HadOld = n/7 > 1
	st := &store.Step{Context: rec, State: []store.Change{old("n", 3000, n), old("m", 9000, n)}}
	if size == 2<<20 {
		st.State = append(st.State, big)
	}
	st.Undo = []store.Undo{childSpan(rec.ID, n)}
	if n > childSpans {
		st.UndoDrop = refsOf(childSpan(rec.ID, n-childSpans))
	}
	return st
}

// childScratch gives every fifth step a scratch that overwrites, removes and makes
// anew.
func childScratch(s *store.Store, st *store.Step, n uint64) error {
	if n%5 != 0 {
		return nil
	}
	sc, err := s.NewScratch(st.Context.ID)
	if err != nil {
		return err
	}
	st.Scratch = sc
	even, odd := put("even", pattern(300<<10, n)), put("odd", nil)
	if n%2 != 0 {
		even, odd = put("even", nil), put("odd", pattern(300<<10, n))
	}
	// What is written first must not shine through.
	first := []store.Change{put("even", pattern(400<<10, 1)), put("odd", pattern(400<<10, 2)), put("scratched", pattern(10, n))}
	if err := sc.Put(context.Background(), first); err != nil {
		return err
	}
	return sc.Put(context.Background(), []store.Change{even, odd})
}

// writeForEver commits steps in several contexts and prints what was acknowledged.
func writeForEver(dir string, out io.Writer) error {
	s, err := store.Open(dir, store.DefaultConfig(), store.Deps{Log: zerolog.New(os.Stderr).Level(zerolog.WarnLevel)})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	errs := make(chan error, childWriters)
	for w := range uint64(childWriters) {
		go func() { errs <- writeContext(s, w, say) }()
	}
	say("ready")
	return <-errs
}

func writeContext(s *store.Store, w uint64, say func(string, ...any)) error {
	rec := store.Context{ID: contextID(w)}
	v, err := s.View(rec.ID)
	switch {
	case err == nil:
		rec = v.Context()
		v.Close()
	case errors.Is(err, store.ErrNotFound):
		if err := s.Commit(context.Background(), &store.Step{Context: &rec, Create: true}); err != nil {
			return err
		}
	default:
		return err
	}
	for {
		n := rec.Step
		st := childStep(&rec, n)
		if err := childScratch(s, st, n); err != nil {
			return err
		}
		if err := s.Commit(context.Background(), st); err != nil {
			return err
		}
		say("%d %d", w, rec.Step)
	}
}

// TestKill kills a writing process at random instants and looks for acknowledged
// steps and for halves of steps.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	acked := make(map[uint64]uint64)
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	total := 0
	var reopens []time.Duration
	for range max(kills/scale, 2) {
		total += killOnce(t, dir, acked, 10+rng.IntN(90), time.Duration(rng.IntN(30_000))*time.Microsecond)
		begun := time.Now()
		s := open(t, dir, store.DefaultConfig())
		reopens = append(reopens, time.Since(begun))
		for w := range uint64(childWriters) {
			checkKilled(t, s, w, acked)
		}
		must(t, s.Tidy(t.Context()))
		for w := range uint64(childWriters) {
			checkKilled(t, s, w, acked)
		}
		must(t, s.Close())
	}
	slices.Sort(reopens)
	median := reopens[len(reopens)/2]
	t.Logf("%d kills, %d acknowledged steps, reopen %v in the middle, %v at most", kills, total, median, reopens[len(reopens)-1])
	if median > time.Second {
		t.Errorf("reopening took %v", median)
	}
}

// killOnce runs a child until some time after its n-th step, kills it, and notes
// what it acknowledged.
func killOnce(t *testing.T, dir string, acked map[uint64]uint64, n int, after time.Duration) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		_ = cmd.Process.Kill()
		t.Fatalf("child says %q: %v", lines.Text(), cmd.Wait())
	}
	steps := 0
	for lines.Scan() {
		if steps == n {
			defer time.AfterFunc(after, func() { _ = cmd.Process.Kill() }).Stop()
		}
		w, number, ok := strings.Cut(lines.Text(), " ")
		which, err1 := strconv.ParseUint(w, 10, 64)
		step, err2 := strconv.ParseUint(number, 10, 64)
		if !ok || err1 != nil || err2 != nil {
			continue // a line that the kill cut
		}
		acked[which] = step
		steps++
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("child ended by itself: %v", err)
	}
	return steps
}

// checkKilled compares a context with what its number of steps determines.
func checkKilled(t *testing.T, s *store.Store, w uint64, acked map[uint64]uint64) {
	t.Helper()
	v, err := s.View(contextID(w))
	if errors.Is(err, store.ErrNotFound) && acked[w] == 0 {
		return
	}
	must(t, err)
	defer v.Close()
	n := v.Context().Step
	if n < acked[w] || n > acked[w]+1 {
		t.Fatalf("context %d: step %d, acknowledged %d", w, n, acked[w])
	}
	acked[w] = n
	r := &replica{id: contextID(w), rec: v.Context(), state: make(map[string][]byte)}
	if n > 1 {
		r.state["n"], r.state["m"] = pattern(3000, n-1), pattern(9000, n-1)
	}
	if big := (n - 1) / 7; n > 0 && big > 0 {
		r.state["big"] = pattern(2<<20, big)
	}
	if five := (n - 1) / 5 * 5; n > 0 && five > 0 {
		r.state[[]string{"even", "odd"}[five%2]] = pattern(300<<10, five)
		r.state["scratched"] = pattern(10, five)
	}
	if err := r.diff(s); err != nil {
		t.Fatalf("context %d at step %d: %v", w, n, err)
	}
	var spans []store.Undo
	for i := max(n, childSpans+1) - childSpans; i < n; i++ {
		spans = append(spans, childSpan(r.id, i))
	}
	checkUndo(t, s, r.id, spans)
}
