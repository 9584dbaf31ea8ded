package replica_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/cryptotest"
	"time"

	"mero/blobkit"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// appsDirVar names a directory of application binaries to try.
const appsDirVar = "MERO_APPS_DIR"

const (
	// variations is how often each method is called again with other arguments.
	variations = 2
	// historyLength is how many deltas the authors of a history make, if they can.
	historyLength = 12
	fewMethods    = 6   // of those that write, so that they meet
	maxTries      = 600 // of calls for that
)

// TestAppsDir holds, for every binary of a directory, that replicas of it are equal
// in every byte. One replica is called with guessed arguments, two more receive each
// delta, in order and out of it. Then two and three authors write on replicas of their
// own, hearing of each other in part. And what those made is sealed again, at other
// places and by other writers, some of the creator's. Each of these histories is folded
// in 100 random orders (MERO_ORDERS), half of them causal, and as the model does. It
// prints a table, and why deltas are void. MERO_SEED repeats a run.
func TestAppsDir(t *testing.T) {
	dir := os.Getenv(appsDirVar)
	if dir == "" {
		t.Skipf("%s is not set: no application binaries to replicate (%s=DIR go test -run TestAppsDir -v ./node/replica)", appsDirVar, appsDirVar)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	must(t, err)
	if len(files) == 0 {
		t.Fatalf("no .wasm file in %s", dir)
	}
	trial := newAppsTrial(t)
	t.Logf("%s=%d", seedVar, trial.seed)
	rows := make([]*appRow, len(files))
	for i, file := range files {
		rows[i] = &appRow{name: filepath.Base(file), reasons: make(map[string]int), odd: make(map[string]int)}
		t.Run(rows[i].name, func(t *testing.T) { trial.run(t, file, rows[i]) })
	}
	t.Logf("replicas and orders of every binary, %d orders a history:\n%s", trial.orders, appTable(rows))
}

// appRow is what was found about one binary.
type appRow struct {
	name                  string
	calls, deltas         int
	concurrent            int // deltas that others are concurrent with
	folded, void, waiting int
	again, againVoid      int            // sealed again: folded and void
	reasons               map[string]int // of what is void or waits
	odd                   map[string]int // calls that ended in what neither the application nor serde says
	replicas, orders      int            // that were equal
	took                  time.Duration
}

func appTable(rows []*appRow) string {
	var out, notes strings.Builder
	out.WriteString("| binary | calls | deltas | concurrent | folded / void / waiting | sealed again: folded / void | replicas equal | orders equal | s |\n|---|---|---|---|---|---|---|---|---|\n")
	sum := appRow{name: fmt.Sprintf("**%d binaries**", len(rows))}
	line := func(r *appRow) {
		fmt.Fprintf(&out, "| %s | %d | %d | %d | %d / %d / %d | %d / %d | %d | %d | %.1f |\n",
			r.name, r.calls, r.deltas, r.concurrent, r.folded, r.void, r.waiting, r.again, r.againVoid, r.replicas, r.orders, r.took.Seconds())
	}
	for _, r := range rows {
		line(r)
		sum.calls, sum.deltas, sum.took = sum.calls+r.calls, sum.deltas+r.deltas, sum.took+r.took
		sum.concurrent, sum.again, sum.againVoid = sum.concurrent+r.concurrent, sum.again+r.again, sum.againVoid+r.againVoid
		sum.folded, sum.void, sum.waiting = sum.folded+r.folded, sum.void+r.void, sum.waiting+r.waiting
		sum.replicas, sum.orders = sum.replicas+r.replicas, sum.orders+r.orders
		for _, words := range slices.Sorted(maps.Keys(r.reasons)) {
			fmt.Fprintf(&notes, "%s: %d deltas: %s\n", r.name, r.reasons[words], words)
		}
		for _, words := range slices.Sorted(maps.Keys(r.odd)) {
			fmt.Fprintf(&notes, "%s: %d calls: %s\n", r.name, r.odd[words], words)
		}
	}
	line(&sum)
	return out.String() + notes.String()
}

// appsTrial is three nodes that try one binary after another.
type appsTrial struct {
	seed   uint64
	orders int
	homes  []*home
	blob   string // the id of one that every node has
	clock  atomic.Int64
	skew   []atomic.Int64 // of each home's clock
}

func newAppsTrial(t *testing.T) *appsTrial {
	t.Helper()
	a := &appsTrial{
		seed: uint64(times(t, seedVar, 1)), orders: times(t, "MERO_ORDERS", 100), skew: make([]atomic.Int64, 3),
	}
	a.clock.Store(base.UnixNano())
	for i := range a.skew {
		h := newQuickHome(t)
		h.wall = func() time.Time { // everybody who looks sees another time
			return time.Unix(0, a.clock.Add(int64(50*time.Microsecond))+a.skew[i].Load())
		}
		a.homes = append(a.homes, h)
		info, err := h.blobs.Put(t.Context(), strings.NewReader("a blob"), blobkit.PutOptions{})
		must(t, err)
		a.blob = ident.PublicKey(info.ID).String()
	}
	return a
}

// lend lets the homes report to another test until it ends.
func (a *appsTrial) lend(t *testing.T) {
	for _, h := range a.homes {
		before := h.t
		h.t = t
		t.Cleanup(func() { h.t = before })
	}
}

func (a *appsTrial) run(t *testing.T, file string, row *appRow) {
	cryptotest.SetGlobalRandom(t, a.seed)
	a.lend(t)
	begun := time.Now()
	defer func() { row.took = time.Since(begun) }()
	p := &appProbe{appsTrial: a, t: t, row: row, rng: rand.New(rand.NewPCG(a.seed, 57)), guesses: make(map[string][]*apptest.Guess), fine: make(map[string]bool)}
	for _, h := range a.homes {
		app, err := h.apps.InstallFile(t.Context(), file, apps.Source{})
		must(t, err)
		p.app = app.ID
	}
	module, release, err := a.homes[0].apps.Module(t.Context(), p.app)
	must(t, err)
	p.module, p.methods = module, slices.DeleteFunc(module.Methods(), func(name string) bool { return name == "init" })
	p.alone()
	p.together(2)
	p.together(3)
	release()
	for _, h := range a.homes {
		_, err := h.apps.Remove(t.Context(), p.app)
		must(t, err)
	}
}

// fleets are what battleships take for one.
var fleets = []string{`["0,0;0,1;0,2;0,3;0,4","2,0;2,1;2,2;2,3","4,0;4,1;4,2","6,0;6,1;6,2","8,0;8,1"]`}

// appProbe tries one binary.
type appProbe struct {
	*appsTrial
	t       *testing.T
	row     *appRow
	rng     *rand.Rand
	app     ident.AppID
	module  *vm.Module
	methods []string
	members []ident.PublicKey // of the second and third node, not bound to a context yet
	guesses map[string][]*apptest.Guess
	fine    map[string]bool // methods that ended well
	writers []string        // those that made a delta
	words   *apptest.Words
}

// alone has one replica called, and two that receive.
func (p *appProbe) alone() {
	p.t.Helper()
	h := p.homes[0]
	c, w := p.create(1)
	for _, method := range p.methods {
		for _, g := range []*apptest.Guess{apptest.NewGuess(c.Member.String()), apptest.NewFullGuess(c.Member.String())} {
			p.guesses[method] = append(p.guesses[method], g)
			_ = g.Call(func(input []byte) error { return p.call(h, c, method, input) })
		}
	}
	for round := range 3 * variations {
		for _, method := range p.methods {
			if round < variations || !p.fine[method] { // it has to be lucky
				_ = p.vary(h, c, method)
			}
		}
	}
	want, log := appOutcome(h, c), w.opened(h.log(c))
	for i, other := range p.homes[1:] {
		oc := w.join(other)
		order, most := p.rng.Perm(len(log)), 5
		if i == 0 {
			order, most = inOrder(len(log)), 1
		}
		p.hand(other, oc, p.rng, log, order, most)
		if p.equal(want, appOutcome(other, oc), "a replica that received") {
			p.row.replicas++
		}
	}
	h.verify(w.context)
	p.homes[2].verify(w.context)
	p.count(want)
	p.leave(w, p.homes)
}

// create makes a context on the first node that so many are to write in, and says
// who they are. What init is given names the creator, whose key is drawn when a
// context is created: so that is done twice, with the same random numbers.
func (p *appProbe) create(authors int) (c replica.Created, w *world) {
	p.t.Helper()
	h := p.homes[0]
	p.members = p.members[:0]
	for _, other := range p.homes[1:] {
		member, err := other.set.NewIdentity(p.t.Context())
		must(p.t, err)
		p.members = append(p.members, member)
	}
	create := func(input []byte) (err error) {
		cryptotest.SetGlobalRandom(p.t, p.seed<<8+uint64(authors))
		c, err = h.set.Create(p.t.Context(), replica.CreateRequest{App: p.app, Params: input})
		return err
	}
	remove := func() {
		_, err := h.set.Delete(p.t.Context(), c.Context)
		must(p.t, err)
	}
	named, full := apptest.NewGuess(p.members[0].String()), apptest.NewFullGuess(p.members[0].String())
	must(p.t, named.Call(create))
	remove()
	p.words = p.wordsOf(append([]ident.PublicKey{c.Member}, p.members[:max(1, authors-1)]...)) // one to be spoken of
	p.words.Know("player1", strconv.Quote(c.Member.String()))
	p.words.Know("player2", strconv.Quote(p.members[0].String()))
	inputs := [][]byte{named.Input()}
	if string(named.Input()) != "{}" {
		inputs = append(inputs, named.Vary(p.rng.IntN, p.words), named.Vary(p.rng.IntN, p.words), named.Vary(p.rng.IntN, p.words))
	} else if full.Call(create) == nil {
		remove()
		inputs = append(inputs, full.Input())
	}
	for _, input := range slices.Backward(inputs) {
		if create(input) == nil {
			p.words.Like(input)
			p.words.Know("player2", strconv.Quote(c.Member.String()), strconv.Quote(p.members[0].String()))
			return c, p.worldOf(h, c)
		}
	}
	p.t.Fatal("init ended well once, and never again")
	return c, nil
}

// call makes one call and notes how it went.
func (p *appProbe) call(h *home, c replica.Created, method string, input []byte) error {
	p.row.calls++
	res, err := h.set.Execute(p.t.Context(), replica.Request{Context: c.Context, Method: method, Input: input, Executor: c.Member})
	var e *vm.Error
	switch {
	case errors.Is(err, replica.ErrContextNotFound):
		p.t.Fatalf("%s %s: %v", method, input, err)
	case err != nil && (!errors.As(err, &e) || e.Kind != vm.KindApplication && e.Kind != vm.KindPanic):
		p.row.odd[fmt.Sprintf("%s: %.200v", method, err)]++
	case err == nil:
		p.fine[method] = true
		p.words.Add(res.Output)
		p.words.Like(input)
		if res.Changed && !slices.Contains(p.writers, method) {
			p.writers = append(p.writers, method)
		}
	}
	return err
}

// wordsOf are what arguments may hold among these members.
func (p *appProbe) wordsOf(members []ident.PublicKey) *apptest.Words {
	given := []string{"a", "b", p.blob}
	for _, member := range members {
		given = append(given, member.String())
	}
	words := apptest.NewWords(given...)
	words.Know("ships", fleets...)
	words.Know("blob_id_str", strconv.Quote(p.blob))
	return words
}

// vary calls a method with other arguments.
func (p *appProbe) vary(h *home, c replica.Created, method string) error {
	guesses := p.guesses[method]
	return p.call(h, c, method, guesses[p.rng.IntN(len(guesses))].Vary(p.rng.IntN, p.words))
}

// together has so many authors write at the same time, and folds what they made in
// many orders.
func (p *appProbe) together(n int) {
	p.t.Helper()
	authors, homes := make([]replica.Created, n), p.homes[:n]
	first, w := p.create(n)
	authors[0] = first
	for i, h := range homes[1:] {
		inv, err := homes[0].set.Invite(p.t.Context(), replica.InviteRequest{Context: first.Context, Executor: first.Member, To: p.members[i]})
		must(p.t, err)
		authors[i+1] = h.joinBy(homes[0], inv, p.members[i])
		h.receive(authors[i+1], homes[0].log(first)...)
	}
	w.start = len(homes[0].log(first))
	p.write(homes, authors)
	for i, h := range homes {
		for j, other := range homes {
			if i != j {
				h.receive(authors[i], other.log(authors[j])...)
			}
		}
	}
	want := appOutcome(homes[0], first)
	for i, h := range homes[1:] {
		if p.equal(want, appOutcome(h, authors[i+1]), "another author's replica") {
			p.row.replicas++
		}
	}
	log := w.opened(homes[0].log(first))
	p.row.concurrent += concurrentOnes(log)
	p.model(w, homes[0], first, log)
	p.count(want)
	p.leave(w, homes)
	p.fold(w, log, want)
	p.again(w, log)
}

// model holds a replica against the model, and against itself.
func (p *appProbe) model(w *world, h *home, c replica.Created, log []*delta.Delta) {
	p.t.Helper()
	h.verify(w.context)
	model := newNaive(p.t, w, p.module)
	model.now = time.Unix(0, p.clock.Load())
	for _, d := range log {
		model.receive(d.Bytes())
	}
	if diff := model.diff(h, c); diff != "" {
		p.t.Error(diff)
	}
}

// again makes a second history of what a first one did: the same changes in another
// order, by three writers that hear little of each other, one of them the creator's.
// Applications need not like it.
func (p *appProbe) again(w *world, log []*delta.Delta) {
	p.t.Helper()
	if len(log) <= w.start {
		return
	}
	begin, late := log[w.start-1], log[len(log)-1].Header().Time-log[0].Header().Time
	authors := []*author{newAuthor(p.rng), newAuthor(p.rng), newAuthor(p.rng)}
	authors[2].key = w.creator.key
	second := slices.Clone(log[:w.start])
	for range historyLength {
		form, err := log[w.start+p.rng.IntN(len(log)-w.start)].Payload(w.key)
		must(p.t, err)
		a, ticks, parents := authors[p.rng.IntN(len(authors))], 1+p.rng.Uint64N(4), []*delta.Delta(nil)
		if a.last == nil { // later than all that the changes may have seen
			ticks, parents = ticks+uint64(late/delta.Tick), append(parents, begin)
		}
		if p.rng.IntN(4) == 0 {
			parents = append(parents, second[p.rng.IntN(len(second))])
		}
		second = append(second, w.seal(a, ticks, form, parents...))
	}
	h := p.homes[0]
	c := w.join(h)
	p.hand(h, c, p.rng, second, inOrder(len(second)), len(second))
	want := appOutcome(h, c)
	p.model(w, h, c, second)
	for id, fate := range want.fates {
		switch word, reason, _ := strings.Cut(fate, " "); word {
		case "folded":
			p.row.again++
		case "void":
			p.row.againVoid++
			p.row.reasons["void, sealed again: "+reason]++
		default:
			p.t.Errorf("delta %s, sealed again, waits: %s", id, reason)
		}
	}
	p.leave(w, p.homes[:1])
	p.fold(w, second, want)
}

// write makes a history: authors call, and hear of a part of what others made now and
// then. Two of them hear of all at first, so that there is something to write about.
func (p *appProbe) write(homes []*home, authors []replica.Created) {
	p.t.Helper()
	for i := range authors {
		p.skew[i].Store(p.rng.Int64N(int64(20 * time.Millisecond)))
	}
	few := func() []string {
		list := slices.Clone(p.writers)
		p.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list[:min(fewMethods, len(list))]
	}
	writers, made := few(), 0
	for tries := 0; made < historyLength && tries < maxTries; tries++ {
		i := p.rng.IntN(len(homes))
		methods := writers
		if len(methods) == 0 || p.rng.IntN(4) == 0 {
			methods, writers = p.methods, few() // it may have learned some
		}
		before := len(homes[i].commits)
		_ = p.vary(homes[i], authors[i], methods[p.rng.IntN(len(methods))])
		changed := len(homes[i].commits) - before
		made += changed
		for j := range homes {
			switch {
			case j == i:
			case changed > 0 && made <= historyLength/3 && len(homes) == 2:
				homes[j].receive(authors[j], homes[i].log(authors[i])...)
			case changed > 0 && p.rng.IntN(3) == 0, changed == 0 && p.rng.IntN(30) == 0: // or nobody may be able to go on
				some := slices.DeleteFunc(homes[i].log(authors[i]), func([]byte) bool { return p.rng.IntN(4) == 0 })
				homes[j].receive(authors[j], some...)
			}
		}
	}
}

// fold hands the deltas of a history to fresh replicas in random orders.
func (p *appProbe) fold(w *world, log []*delta.Delta, want outcome) {
	var equal atomic.Int64
	p.t.Run(fmt.Sprint(len(log), " deltas"), func(t *testing.T) {
		for first, h := range p.homes {
			t.Run(fmt.Sprint("node", first), func(t *testing.T) {
				t.Parallel() // much of it is waiting for more to come
				h.t = t
				for order := first; order < p.orders; order += len(p.homes) {
					rng := rand.New(rand.NewPCG(p.seed, uint64(order)))
					arrivals := rng.Perm(len(log))
					if order%2 == 0 {
						arrivals = causal(rng, log)
					}
					c := w.join(h)
					p.hand(h, c, rng, log, arrivals, max(1, len(log)/2))
					if d := want.diff(appOutcome(h, c)); d != "" {
						t.Fatalf("order %d (-author +received): %s\nin the order %v", order, d, arrivals)
					}
					equal.Add(1)
					w.leave(h)
				}
			})
		}
	})
	p.row.orders += int(equal.Load())
	for _, h := range p.homes {
		h.t = p.t
	}
}

// hand gives deltas to a replica in batches, some of them again.
func (p *appProbe) hand(h *home, c replica.Created, rng *rand.Rand, log []*delta.Delta, order []int, most int) {
	h.t.Helper()
	for len(order) > 0 {
		n := min(1+rng.IntN(most), len(order))
		var batch [][]byte
		for _, i := range order[:n] {
			batch = append(batch, log[i].Bytes())
		}
		if rng.IntN(8) == 0 {
			batch = append(batch, log[rng.IntN(len(log))].Bytes())
		}
		got := h.receive(c, batch...)
		if len(got.Refused) > 0 {
			h.t.Errorf("refused: %+v", got.Refused)
		}
		order = order[n:]
	}
}

func (p *appProbe) equal(want, got outcome, who string) bool {
	p.t.Helper()
	d := want.diff(got)
	if d != "" {
		p.t.Errorf("%s (-caller +%s): %s", who, who, d)
	}
	return d == ""
}

// count adds the fates of a history to the row. Nothing may wait where everything is.
func (p *appProbe) count(o outcome) {
	p.t.Helper()
	for id, fate := range o.fates {
		p.row.deltas++
		word, reason, _ := strings.Cut(fate, " ")
		switch word {
		case "folded":
			p.row.folded++
			continue
		case "void":
			p.row.void++
		default:
			p.row.waiting++
			p.t.Errorf("delta %s waits: %s", id, reason)
		}
		p.row.reasons[word+": "+reason]++
	}
}

func (p *appProbe) leave(w *world, homes []*home) {
	for _, h := range homes {
		w.leave(h)
	}
}
