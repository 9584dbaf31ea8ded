package replica_test

import (
	"bufio"
	"context"
	"encoding/hex"
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

	"mero/node/delta"
	"mero/node/replica"
	"mero/node/store"
)

const (
	// killsVar sets how often TestKill kills, seedVar repeats its choices.
	killsVar = "MERO_KILLS"
	seedVar  = "MERO_SEED"
	// killDir is the home that the child opens, killInbox the file in it with the
	// deltas that the child receives, in lines of hex.
	killDir   = "MERO_REPLICA_KILL_DIR"
	killInbox = "inbox"
	// killsEach is how often one home is killed; then a new one is taken, so that
	// checking does not become all of the work.
	killsEach = 10
)

// TestKillChild is not a test but the process that TestKill kills: it makes calls,
// receives what is in its inbox, and does deep roll-backs, all at once, and prints
// what was acknowledged.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("this is a part of TestKill")
	}
	go func() { // it does not outlive who started it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	h := &home{t: t, dir: dir, wall: func() time.Time { return base.Add(time.Minute) }}
	h.start()
	list, err := h.set.List()
	must(t, err)
	owned, err := h.set.Owned(list[0].ID)
	must(t, err)
	n := &victim{h: h, c: replica.Created{Context: list[0].ID, Member: owned[0]}}
	n.say("ready")
	go n.calls()
	go n.deepen(t)
	n.receive(t)
	select {} // the calls go on
}

// victim is what the child does.
type victim struct {
	h  *home
	c  replica.Created
	mu sync.Mutex
}

func (n *victim) say(words ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Println(words...)
}

// check ends the child with words on standard error, which fails the test.
func (n *victim) check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// calls makes one call after another, with a pause, so that the log that is checked
// stays short and the rest gets its turn.
func (n *victim) calls() {
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		<-tick.C
		res, err := n.h.set.Execute(context.Background(), replica.Request{
			Context: n.c.Context, Method: "do", Executor: n.c.Member,
			Input: tape(string([]byte{'a', "abcd"[i%4], 'L'}), string([]byte{'r', "efgh"[i%4], ' '})),
		})
		n.check(err)
		n.say("ack", res.Delta)
	}
}

func (n *victim) deepen(t *testing.T) {
	for range time.Tick(5 * time.Millisecond) {
		n.h.set.Deepen(context.Background())
		n.check(n.h.set.Reconsider(context.Background(), n.c.Context))
		n.rolled(t)
	}
}

// receive takes the inbox in parcels of one to six, every third as if folding were
// slow, so that it is rolled back beside the live state.
func (n *victim) receive(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(n.h.dir, killInbox))
	must(t, err)
	lines := strings.Fields(string(text))
	for i := 0; len(lines) > 0; i++ {
		parcel := lines[:min(1+i%6, len(lines))]
		lines = lines[len(parcel):]
		words, envelopes := []any{"took"}, make([][]byte, 0, len(parcel))
		for _, line := range parcel {
			raw, err := hex.DecodeString(line)
			must(t, err)
			envelopes = append(envelopes, raw)
			words = append(words, opened(t, raw).ID())
		}
		cost := time.Duration(0)
		if i%3 == 2 {
			cost = replica.Ages
		}
		n.h.set.Believe(cost)
		got := n.h.receive(n.c, envelopes...)
		if len(got.Refused) > 0 {
			n.check(fmt.Errorf("refused: %+v", got.Refused))
		}
		n.say(words...)
		n.rolled(t)
	}
}

// rolled says how many roll-backs there were.
func (n *victim) rolled(t *testing.T) {
	n.say("rolled", histogram(t, n.h, "mero_replica_rollback_deltas"), count(t, n.h.reg, "mero_replica_refolds_total", "done"))
}

// histogram is how many values one has.
func histogram(t testing.TB, h *home, name string) uint64 {
	t.Helper()
	families, err := h.reg.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	return 0
}

// TestKill kills a process at random instants while it takes calls and late deltas
// and rolls its state back for them, and opens what it left (F1): each call and each
// delta that was acknowledged is there, and the state is that of the deltas.
// MERO_KILLS=2000 is the long form.
func TestKill(t *testing.T) {
	if raced {
		t.Skip("the child is too slow with the race detector to roll back between two kills; other tests look for races")
	}
	seed, kills := uint64(times(t, seedVar, int(time.Now().UnixNano()))), times(t, killsVar, 20)
	t.Logf("seed %d", seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with: %s=%d %s=%d go test ./node/replica -count=1 -timeout 0 -run '^TestKill$'", seedVar, seed, killsVar, kills)
		}
	})
	k := &killer{rng: rand.New(rand.NewPCG(seed, 1))}
	for done := 0; done < kills; done += killsEach {
		t.Run(fmt.Sprint("home", done/killsEach), func(t *testing.T) {
			k.begin(t)
			for range min(killsEach, kills-done) {
				k.round()
			}
			k.end()
		})
	}
	slices.Sort(k.reopens)
	t.Logf("%d kills (%d while it opened), %d acknowledged, %d roll-backs and %d deep ones in time to be told; reopened in %v in the middle, %v at most",
		len(k.reopens), k.opening, k.total, k.rolled, k.deep, k.reopens[len(k.reopens)/2], k.reopens[len(k.reopens)-1])
	if k.rolled == 0 || kills >= 100 && k.deep == 0 {
		t.Error("nothing was rolled back")
	}
	if middle := k.reopens[len(k.reopens)/2]; middle > 3*time.Second {
		t.Errorf("reopening took %v", middle)
	}
}

// killer is the state of TestKill.
type killer struct {
	*stage
	rng   *rand.Rand
	acked map[delta.ID]bool
	sent  map[delta.ID]*delta.Delta // all that the world made
	order []*delta.Delta            // in the order it was made

	reopens             []time.Duration
	opening             int
	total, rolled, deep int
}

func (k *killer) begin(t *testing.T) {
	t.Helper()
	h := newHome(t)
	h.wall = func() time.Time { return base.Add(time.Minute) }
	w := newWorld(t, h.installTape(), 1<<30)
	k.stage = &stage{naive: &naive{t: t, w: w}, h: h, c: w.join(h), rng: k.rng}
	k.acked, k.sent, k.order = make(map[delta.ID]bool), make(map[delta.ID]*delta.Delta), nil
	k.make(w.creator)
	h.receive(k.c, k.order[0].Bytes())
	for range 250 { // far enough for deep roll-backs
		k.make(w.creator)
	}
	for part := range slices.Chunk(k.order, 50) {
		k.take(part...)
	}
}

// take delivers deltas; the model of the stage is not used here.
func (k *killer) take(list ...*delta.Delta) {
	k.t.Helper()
	envelopes := make([][]byte, 0, len(list))
	for _, d := range list {
		envelopes = append(envelopes, d.Bytes())
		k.acked[d.ID()] = true
	}
	k.h.receive(k.c, envelopes...)
}

func (k *killer) make(a *author, parents ...*delta.Delta) {
	d := k.w.write(a, 1+k.rng.Uint64N(3), k.ops(0), parents...)
	k.sent[d.ID()], k.order = d, append(k.order, d)
}

// prepare is what the child is to receive: what did not arrive before, and new ones
// of the creator, of authors at the end of what is there, and of authors far back, in
// nearly the order they were made.
func (k *killer) prepare() []*delta.Delta {
	logged := k.h.log(k.c)
	recent := func() *delta.Delta {
		return opened(k.t, logged[len(logged)-1-k.rng.IntN(min(20, len(logged)))])
	}
	for range 40 {
		switch k.rng.IntN(4) {
		case 0:
			k.make(k.w.creator)
		case 1:
			k.make(k.w.creator, recent())
		case 2:
			k.make(newAuthor(k.rng), recent())
		case 3:
			k.make(newAuthor(k.rng), k.order[k.rng.IntN(len(k.order))])
		}
	}
	var list []*delta.Delta
	for _, d := range k.order {
		if !k.acked[d.ID()] {
			list = append(list, d)
		}
	}
	for i := range list {
		j := min(i+k.rng.IntN(4), len(list)-1)
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// round lets a child work on the home, kills it, and looks at the home.
func (k *killer) round() {
	t := k.t
	t.Helper()
	var text strings.Builder
	for _, d := range k.prepare() {
		text.WriteString(hex.EncodeToString(d.Bytes()) + "\n")
	}
	must(t, os.WriteFile(filepath.Join(k.h.dir, killInbox), []byte(text.String()), 0o600))
	k.h.close()
	k.kill()
	begun := time.Now()
	k.h.open()
	k.reopens = append(k.reopens, time.Since(begun))
	k.check()
}

// kill starts a child and kills it some time after so many parcels, or after the first
// deep roll-back, and seldom while it opens.
func (k *killer) kill() {
	t := k.t
	t.Helper()
	parcels, after := 1+k.rng.IntN(12), time.Duration(k.rng.IntN(20_000))*time.Microsecond
	deep := k.rng.IntN(4) == 0
	early := k.rng.IntN(6) == 0
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	cmd.Env = append(os.Environ(), killDir+"="+k.h.dir, "TMPDIR="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	defer stdin.Close()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	stop := func(after time.Duration) { time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) }
	if early {
		k.opening++
		stop(time.Duration(k.rng.IntN(200)) * time.Millisecond)
	}
	if deep && !early {
		stop(3 * time.Second) // none may be due
	}
	told := false
	k.listen(out, func(n, jobs int) {
		if early || told || (deep && jobs == 0) || (!deep && n < parcels) {
			return
		}
		told = true
		stop(after)
	})
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the child ended by itself: %v %s", err, &stderr)
	}
}

// listen notes what a child says, until it ends; did is told how many parcels of deltas
// it took, and how many deep roll-backs it did.
func (k *killer) listen(out io.Reader, did func(parcels, deep int)) {
	lines, rolled, deep, n, parcels := bufio.NewReader(out), 0, 0, 0, 0
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // what the kill cut was not said
			break
		}
		words := strings.Fields(line)
		switch words[0] {
		case "ack", "took":
			for _, word := range words[1:] {
				id, err := delta.ParseID(word)
				must(k.t, err)
				k.acked[id] = true
			}
			n++
			if words[0] == "took" {
				parcels++
			}
		case "rolled":
			rolled, _ = strconv.Atoi(words[1])
			deep, _ = strconv.Atoi(words[2])
			did(parcels, deep)
		case "ready":
		default:
			k.t.Errorf("the child says %q", line)
		}
	}
	k.total, k.rolled, k.deep = k.total+n, k.rolled+rolled, k.deep+deep
}

// check holds that nothing that was acknowledged is missing, and that the state is
// that of the deltas, before and after the roll-backs that were left to do.
func (k *killer) check() {
	k.t.Helper()
	k.complete()
	k.h.verify(k.w.context)
	must(k.t, k.h.set.Reconsider(k.t.Context(), k.w.context))
	k.settle()
	k.h.verify(k.w.context)
	k.complete()
	if k.t.Failed() {
		k.t.FailNow()
	}
}

// complete looks for what was acknowledged; what is there without was not told in
// time. A delta may wait for its parents only if one of them did not arrive.
func (k *killer) complete() {
	k.t.Helper()
	fates := k.h.fates(k.c)
	for id := range k.acked {
		if _, there := fates[id]; !there {
			k.t.Errorf("delta %s was acknowledged and is not there", id)
		}
	}
	for id := range fates {
		k.acked[id] = true
	}
	for id, rec := range fates {
		if rec.Fate == store.FateWaiting && !strings.HasPrefix(rec.Reason, "order: ") && !strings.HasPrefix(rec.Reason, "parents: ") {
			k.t.Errorf("delta %s waits: %s", id, rec.Reason)
		}
	}
}

// end delivers the rest, and compares with a replica that gets everything at once.
func (k *killer) end() {
	t := k.t
	t.Helper()
	var rest []*delta.Delta
	for _, d := range k.order {
		if !k.acked[d.ID()] {
			rest = append(rest, d)
		}
	}
	k.take(rest...)
	k.settle()
	if info := k.h.info(k.c); info.Waiting != 0 {
		t.Errorf("%d deltas wait although all are there", info.Waiting)
	}
	k.h.verify(k.w.context)
	fresh := newQuickHome(t)
	fresh.wall = k.h.wall
	fresh.installTape()
	c := k.w.join(fresh)
	for part := range slices.Chunk(k.h.log(k.c), 200) {
		fresh.receive(c, part...)
	}
	if k.h.info(k.c).Root != fresh.info(c).Root {
		t.Error("a fresh replica has another state")
	}
}
