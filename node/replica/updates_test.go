package replica_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"mero/node/apps"
	"mero/node/collections"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

const (
	versions   = 4   // of the application of a history, all of them with other code
	eachOrders = 16  // of arrivals that a history is folded in
	long       = 500 // calls of a history in which a roll-back can be a deep one, of more than 200 deltas
)

// TestUpdatesHosted has three members write all kinds of collections at the same time
// and hear of a part of what others made, while an admin and the creator, on two nodes
// that do not hear all of each other either, update the application again and again,
// mostly with a migration that rests on all that it finds. What each history comes to is told by a
// model that folds it from genesis, and each is given to fresh replicas in random
// orders, half of them causal, on a node that may lack code that it gets later: one
// root, one state, one set of heads and of fates (F17, F18). MERO_ORDERS sets how many
// orders, MERO_SEED which history is the first; the long form is 10 000.
func TestUpdatesHosted(t *testing.T) {
	usual := 64
	if raced {
		usual = 16
	}
	updates(t, usual, func(u *updateTrial) [][]byte {
		wasm, out := apptest.Build(u.t, "notes"), [][]byte(nil)
		for i := range versions {
			out = append(out, edit(u.t, wasm, "mark:0", fmt.Sprint("mark:", i)))
		}
		return out
	}, (*updateTrial).write)
}

// TestUpdatesGuest is TestUpdatesHosted with an application that keeps its state by
// itself, so that its code is what applies each delta: which code that is depends on
// the delta's place. An admin is admitted in the midst of it.
func TestUpdatesGuest(t *testing.T) {
	usual := 160
	if raced {
		usual = 16
	}
	updates(t, usual, func(u *updateTrial) [][]byte {
		wasm, out := tapeCode(u.t), [][]byte(nil)
		for _, op := range []byte(appends) { // each has another operation for appending
			out = append(out, edit(u.t, wasm, "\x41\xe1\x00\x46", string([]byte{0x41, 0x80 | op, 0, 0x46})))
		}
		return out
	}, (*updateTrial).play)
}

// appends are the operations that append in versions of testdata/tape.wat.
const appends = "abgh"

// edit changes the one place where a module has something.
func edit(t testing.TB, wasm []byte, from, to string) []byte {
	t.Helper()
	if n := bytes.Count(wasm, []byte(from)); n != 1 || len(from) != len(to) {
		t.Fatalf("%q is %d times in the module", from, n)
	}
	return bytes.Replace(wasm, []byte(from), []byte(to), 1)
}

// updateTrial is nodes that make histories with updates, and fold them.
type updateTrial struct {
	t       *testing.T
	seed    int
	rng     *rand.Rand
	homes   []*home // of authors; the first is the creator's
	late    *home   // gets some code later than deltas
	codes   [][]byte
	apps    []ident.AppID
	modules map[ident.AppID]*vm.Module
	clock   time.Duration // since base
	slow    bool          // replicas believe that folding takes long
	counts  updateCounts
}

type updateCounts struct{ deltas, concurrent, updates, void, orders, deep, waited, misuse int }

func updates(t *testing.T, usual int, codes func(*updateTrial) [][]byte, history func(*updateTrial) (*world, []*delta.Delta)) {
	t.Helper()
	first, orders := times(t, seedVar, 1), times(t, "MERO_ORDERS", usual)
	u := &updateTrial{t: t, modules: make(map[ident.AppID]*vm.Module), late: newQuickHome(t)}
	for i := range 3 {
		u.homes = append(u.homes, newQuickHome(t))
		u.homes[i].wall = u.wall
	}
	u.late.wall = u.wall
	u.codes = codes(u)
	for i, code := range u.all() {
		for _, h := range u.homes[1:] {
			u.installed(h, code)
		}
		app := u.installed(u.homes[0], code)
		module, release, err := u.homes[0].apps.Module(t.Context(), app)
		must(t, err)
		t.Cleanup(release)
		u.modules[app] = module
		if i < versions {
			u.apps = append(u.apps, app)
		}
	}
	for seed := first; u.counts.orders < orders; seed++ {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			u.lend(t)
			cryptotest.SetGlobalRandom(t, uint64(seed))
			u.seed = seed
			u.rng, u.clock = rand.New(rand.NewPCG(uint64(seed), 18)), 0
			w, log := history(u)
			want := u.told(w, log)
			u.count(log, want)
			for order := range min(eachOrders, orders-u.counts.orders) {
				u.fold(w, log, want, order)
			}
		})
		if t.Failed() {
			t.Fatalf("repeat with: %s=%d MERO_ORDERS=%d go test ./node/replica -count=1 -run '^%s$'", seedVar, seed, eachOrders, t.Name())
		}
	}
	t.Logf("%+v, from %s=%d", u.counts, seedVar, first)
}

func (u *updateTrial) count(log []*delta.Delta, want outcome) {
	u.counts.deltas += len(log)
	u.counts.concurrent += concurrentOnes(log)
	for _, d := range log {
		if d.Header().Kind == delta.KindApp {
			u.counts.updates++
		}
		if want.fates[d.ID()] == "void" {
			u.counts.void++
		}
	}
}

// all is all code: the versions, and what keeps its state by itself.
func (u *updateTrial) all() [][]byte { return append(slices.Clone(u.codes), tapeCode(u.t)) }

// lend lets the trial report to another test until it ends.
func (u *updateTrial) lend(t *testing.T) {
	before := u.t
	set := func(t *testing.T) {
		u.t, u.late.t = t, t
		for _, h := range u.homes {
			h.t = t
		}
	}
	set(t)
	t.Cleanup(func() { set(before) })
}

func (u *updateTrial) wall() time.Time { return base.Add(u.clock) }

// installed installs code, which may be installed already.
func (u *updateTrial) installed(h *home, code []byte) ident.AppID {
	h.t.Helper()
	app, err := h.apps.Install(h.t.Context(), bytes.NewReader(code), apps.Source{})
	must(h.t, err)
	return app.ID
}

// seal makes a delta of an author that only this test knows, on what a replica has.
func (u *updateTrial) seal(w *world, a *author, kind delta.Kind, payload []byte, on ...*delta.Delta) *delta.Delta {
	u.t.Helper()
	if a.last != nil {
		on = append(on, a.last)
	}
	a.seq++
	h := delta.Header{Context: w.context, Kind: kind, Author: a.key.Public(), Incarnation: a.inc, Seq: a.seq}
	for _, p := range on {
		if !slices.Contains(h.Parents, p.ID()) && len(h.Parents) < delta.MaxParents {
			h.Parents = append(h.Parents, p.ID())
		}
		h.Time = max(h.Time, p.Header().Time)
	}
	h.Time += delta.Time(1+u.rng.Uint64N(3)) * delta.Tick
	d, err := delta.Seal(h, payload, w.key, nil, a.key, nil)
	must(u.t, err)
	a.last = d
	return d
}

// update is the payload of a random update, now and then of one that cannot be.
func (u *updateTrial) update() []byte {
	u.t.Helper()
	up := delta.App{App: u.apps[u.rng.IntN(versions)], Version: fmt.Sprint(u.rng.IntN(100)), Migrate: u.migration()}
	if u.rng.IntN(8) == 0 {
		up.App, up.Migrate = u.installed(u.homes[0], tapeCode(u.t)), ""
	}
	form, err := delta.EncodeApp(up)
	must(u.t, err)
	return form
}

func (u *updateTrial) migration() string {
	return []string{"", "migrate", "migrate", "migrate", "migrate_odd", "migrate_badly", "absent"}[u.rng.IntN(7)]
}

// write makes a history of collections on the homes, by calls.
func (u *updateTrial) write() (*world, []*delta.Delta) {
	u.t.Helper()
	made, err := u.homes[0].set.Create(u.t.Context(), replica.CreateRequest{App: u.apps[0]})
	must(u.t, err)
	at := []replica.Created{made}
	for i, role := range []members.Role{members.Admin, members.Plain} {
		at = append(at, u.homes[i+1].joinAs(u.homes[0], made, role))
	}
	w := (&appProbe{t: u.t}).worldOf(u.homes[0], made)
	for i, h := range u.homes[1:] {
		h.receive(at[i+1], u.homes[0].log(made)...)
	}
	second, nobody := newAuthor(u.rng), []*author{newAuthor(u.rng), strangerOf(u.rng)}
	second.key = w.creator.key
	length, hear := 40, 3*len(at)
	if u.seed%8 == 2 {
		length, hear = long, long // and nobody hears of the creator's
	}
	for range length {
		u.clock += time.Duration(u.rng.IntN(400)) * time.Microsecond
		i := u.rng.IntN(len(at))
		if length == long && u.rng.IntN(2) == 0 {
			i = 1 + u.rng.IntN(len(at)-1)
		}
		h := u.homes[i]
		switch what := u.rng.IntN(40 + length); {
		case what < 6:
			i := u.rng.IntN(2) // the creator, or an admin
			_, err := u.homes[i].set.UpdateApp(u.t.Context(), replica.UpdateRequest{
				Context: w.context, App: u.apps[u.rng.IntN(versions)], Migrate: u.migration(), Executor: at[i].Member,
			})
			u.refused(err)
		case what < 12: // by the creator's other node, or by somebody who may not
			by := second
			if what >= 10 {
				by = nobody[what-10]
			} else if length == long {
				i, h = 0, u.homes[0]
			}
			d := u.seal(w, by, delta.KindApp, u.update(), u.heads(h, at[i], w)...)
			h.receive(at[i], d.Bytes())
		default:
			u.call(h, at[i])
		}
		if j := u.rng.IntN(hear); j < len(at) && (length < long || i > 0) {
			some := slices.DeleteFunc(h.log(at[i]), func([]byte) bool { return u.rng.IntN(8) == 0 })
			u.homes[j].receive(at[j], some...)
		}
	}
	for i, h := range u.homes {
		for j, other := range u.homes {
			h.receive(at[i], other.log(at[j])...)
		}
		h.set.Deepen(u.t.Context())
	}
	log := w.opened(u.homes[0].log(made))
	want := u.told(w, log)
	for i, h := range u.homes {
		if d := want.diff(u.outcome(h, at[i])); d != "" {
			u.t.Errorf("home %d (-model +author): %s", i, d)
		}
	}
	u.homes[0].verify(w.context)
	for _, h := range u.homes {
		w.leave(h)
	}
	return w, log
}

// call makes a call, which may be refused since somebody made a collection of another
// kind where it writes, or wrote what is written once.
func (u *updateTrial) call(h *home, c replica.Created) {
	u.t.Helper()
	_, err := h.set.Execute(u.t.Context(), replica.Request{Context: c.Context, Method: "do", Input: u.notes(), Executor: c.Member})
	switch {
	case kind(vm.KindMisuse)(err):
		u.counts.misuse++
	default:
		must(u.t, err)
	}
}

// refused passes what an update may be refused for.
func (u *updateTrial) refused(err error) {
	u.t.Helper()
	if err != nil && !as[*replica.VoidError](err) && !is(replica.ErrSameApp)(err) {
		u.t.Fatal(err)
	}
}

// heads are what somebody rests on who reads a replica, or an older copy of it.
func (u *updateTrial) heads(h *home, c replica.Created, w *world) []*delta.Delta {
	u.t.Helper()
	log := w.opened(h.log(c))
	if len(log) == 0 {
		return []*delta.Delta{w.genesis}
	}
	if u.rng.IntN(2) == 0 {
		return []*delta.Delta{log[u.rng.IntN(len(log))]}
	}
	heads := h.info(c).Heads
	log = slices.DeleteFunc(log, func(d *delta.Delta) bool { return !slices.Contains(heads, d.ID()) })
	if len(log) == 0 {
		return []*delta.Delta{w.genesis}
	}
	return log
}

// note is one record of the input of the notes application, which says what it means.
func note(what byte, ref, a, b int, key, value string) string {
	r := make([]byte, 32)
	r[0], r[1], r[2], r[3], r[4], r[5] = what, byte(ref), byte(a), byte(b), byte(len(key)), byte(len(value))
	copy(r[6:16], key)
	copy(r[16:], value)
	if key == "me" {
		r[4] = 255
	}
	return string(r)
}

// notes are what a member writes in one call: of any kind of collection, and in each
// of them of few things, so that members meet.
func (u *updateTrial) notes() []byte {
	n := u.rng.IntN
	in := func(key string, kind collections.Kind, more ...string) func() string {
		return func() string { return note('o', 0, int(kind), 0, key, "") + more[n(len(more))] }
	}
	key, value := fmt.Sprint("k", n(9)), fmt.Sprint("v", n(1000))
	small := key[:1] + string('0'+key[1]%3)
	kinds := []collections.Kind{collections.Map, collections.Set, collections.Counter, collections.List, collections.Text}
	either := kinds[n(len(kinds))]
	all := []func() string{
		in("m", collections.Map, note('p', 1, 0, 0, key, value), note('p', 1, 0, 0, key, value), note('x', 1, 0, 0, key, "")),
		in("s", collections.Set, note('a', 1, 0, 0, "e"+small[1:], ""), note('x', 1, 0, 0, "e"+small[1:], "")),
		in("c", collections.Counter, note('i', 1, n(100), 0, "", "")),
		in("l", collections.List, note('I', 1, n(99), 0, "", value), note('I', 1, 0, 0, "", value)+note('X', 1, n(99), 1, "", ""),
			note('I', 1, n(99), 0, "", value)+note('P', 1, n(99), 0, "", "in place"), note('N', 1, n(99), int(either), "", "")),
		in("t", collections.Text, note('T', 1, n(99), 0, "", value), note('T', 1, n(99), 0, "", "away")+note('X', 1, n(99), 3, "", "")),
		in("r", collections.Register, note('p', 1, 0, 0, "", value), note('x', 1, 0, 0, "", "")),
		in("n", collections.Map, note('x', 1, 0, 0, small, ""),
			note('o', 1, int(collections.Map), 0, small, "")+note('o', 2, int(collections.Counter), 0, "c", "")+note('i', 3, n(100), 0, "", ""),
			note('o', 1, int(collections.Map), 0, small, "")+note('o', 2, int(collections.List), 0, "l", "")+note('I', 3, n(99), 0, "", value)),
		in("p", collections.Members, note('o', 1, int(collections.Map), 0, "me", "")+note('p', 2, 0, 0, small, value)),
		in("o"+value, collections.Map, note('p', 1, 0, 0, key, "x")+note('o', 0, int(collections.Register), 1, "o"+small, "")+note('p', 2, 0, 0, "", value)),
		in("mixed", collections.Map, note('x', 1, 0, 0, small, ""), note('o', 1, int(either), 0, small, "")+u.into(either, value)),
	}
	return []byte(all[n(len(all))]() + "\x00")
}

// into writes in a collection of some kind whose handle is 2.
func (u *updateTrial) into(kind collections.Kind, value string) string {
	switch kind {
	case collections.Map:
		return note('p', 2, 0, 0, "a", value)
	case collections.Set:
		return note('a', 2, 0, 0, value, "")
	case collections.Counter:
		return note('i', 2, u.rng.IntN(100), 0, "", "")
	case collections.List:
		return note('I', 2, 0, 0, "", value)
	default:
		return note('T', 2, 0, 0, "", value)
	}
}

// play makes a history of tapes, by authors that only this test knows.
func (u *updateTrial) play() (*world, []*delta.Delta) {
	u.t.Helper()
	w := newWorld(u.t, u.apps[0], 1<<30)
	second := newAuthor(u.rng)
	second.key = w.creator.key
	admin := strangerOf(u.rng) // and not before it is admitted
	authors := []*author{w.creator, second, newAuthor(u.rng), newAuthor(u.rng), admin}
	log := []*delta.Delta{w.write(w.creator, 1, tape("saa"))}
	for i := range 40 {
		by := authors[u.rng.IntN(len(authors))]
		on := []*delta.Delta{log[0], log[u.rng.IntN(len(log))]}
		if i%3 == 0 {
			on = append(on, log[len(log)-1])
		}
		if i == 12 {
			log = append(log, w.admit(second, admin.key, members.Admin, on...))
			continue
		}
		kind, form := delta.KindApp, u.update()
		if u.rng.IntN(5) > 0 {
			ops := string([]byte{"abghsdmipcx"[u.rng.IntN(11)], "bcd"[u.rng.IntN(3)], "bcd"[u.rng.IntN(3)]})
			var err error
			form, err = delta.EncodeState(delta.State{Artifact: tape(ops, "aaA", "baB", "gaC", "haD")})
			must(u.t, err)
			kind = delta.KindState
		}
		log = append(log, u.seal(w, by, kind, form, on...))
	}
	return w, log
}

// fold gives a history to a fresh replica in a random order.
func (u *updateTrial) fold(w *world, log []*delta.Delta, want outcome, order int) {
	u.t.Helper()
	h, late := u.homes[order%len(u.homes)], order%8 == 7
	if late {
		h = u.late
		for i, code := range u.codes {
			if i == 0 || u.rng.IntN(2) == 0 {
				u.installed(h, code)
			}
		}
	}
	c := w.join(h)
	arrivals := u.rng.Perm(len(log))
	u.slow = false
	switch {
	case order%2 == 1:
		arrivals = causal(u.rng, log)
	case len(log) > long/3 && order%4 == 0:
		arrivals, u.slow = creatorLast(w, log), true
	}
	u.hand(h, c, log, arrivals[:len(arrivals)/2])
	if late && u.rng.IntN(2) == 0 {
		h.reopen()
		u.complete(h, c)
	}
	u.hand(h, c, log, arrivals[len(arrivals)/2:])
	u.counts.waited += h.waiting(c, "code")
	u.counts.deep += h.waiting(c, "order")
	if late {
		u.complete(h, c)
	}
	h.set.Deepen(u.t.Context())
	if d := want.diff(u.outcome(h, c)); d != "" {
		u.t.Fatalf("order %d (-model +replica): %s\nin the order %v", order, d, arrivals)
	}
	if order == 0 {
		h.verify(w.context)
	}
	u.counts.orders++
	w.leave(h)
	if !late {
		return
	}
	for _, code := range u.all() {
		_, err := h.apps.Remove(u.t.Context(), u.installed(h, code))
		must(u.t, err)
	}
}

// creatorLast is the canonical order of what the creator's nodes made after that of
// all else.
func creatorLast(w *world, log []*delta.Delta) []int {
	arrivals := inOrder(len(log))
	slices.SortStableFunc(arrivals, func(a, b int) int { return byCreator(w, log[a]) - byCreator(w, log[b]) })
	return arrivals
}

func byCreator(w *world, d *delta.Delta) int {
	if d.Header().Author == w.creator.key.Public() {
		return 1
	}
	return 0
}

// complete installs all code.
func (u *updateTrial) complete(h *home, c replica.Created) {
	u.t.Helper()
	for _, code := range u.all() {
		u.installed(h, code)
	}
	must(u.t, h.set.Reconsider(u.t.Context(), c.Context))
}

// hand gives deltas to a replica in batches, some of them again.
func (u *updateTrial) hand(h *home, c replica.Created, log []*delta.Delta, order []int) {
	u.t.Helper()
	for len(order) > 0 {
		n := min(1+u.rng.IntN(1+len(log)/4), len(order))
		batch := [][]byte{log[u.rng.IntN(len(log))].Bytes()}
		for _, i := range order[:n] {
			batch = append(batch, log[i].Bytes())
		}
		if u.slow {
			h.set.Believe(replica.Ages)
		}
		if got := h.receive(c, batch...); len(got.Refused) > 0 {
			u.t.Errorf("refused: %+v", got.Refused)
		}
		order = order[n:]
	}
}

// outcome is what a replica says, with fates without their words.
func (u *updateTrial) outcome(h *home, c replica.Created) outcome {
	u.t.Helper()
	o := appOutcome(h, c)
	for id, fate := range o.fates {
		o.fates[id], _, _ = strings.Cut(fate, " ")
	}
	return o
}
