package replica_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/sdk/examples/rawkv/state"
	"mero/node/vm"
)

// choices is where a sim takes its decisions from: random numbers, or the input of a
// fuzzer.
type choices interface{ below(n int) int }

type fromSeed struct{ rng *rand.Rand }

func (c fromSeed) below(n int) int { return c.rng.IntN(n) }

// fromBytes takes a byte for a choice; after the last it always chooses the first.
type fromBytes struct{ data []byte }

func (c *fromBytes) below(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

// guest is the application of a sim.
type guest struct {
	module *vm.Module
	app    ident.AppID
	// init is the artifact of an init; artifact is an author's, of random operations
	// that meet those of others, and call what does such on the replica itself.
	init     []byte
	artifact func(c choices, a *author) []byte
	call     func(c choices) (method string, input []byte)
}

// sim is one replica that authors elsewhere send deltas to, in any order, while it
// is called itself. After each event it must be what the model says.
type sim struct {
	t       testing.TB
	choices choices
	guest   guest
	h       *home
	w       *world
	c       replica.Created
	naive   *naive
	authors []*author
	all     []*delta.Delta // that can be rested on
	pool    [][]byte       // not delivered yet
	sent    [][]byte
	trouble bool // deltas that break rules too
	// recruits are authors that are admitted on the way, or not, and papers what somebody
	// was to be admitted by.
	recruits []*author
	papers   []delta.Member
	rng      *rand.Rand
	log      []string
	events   int
}

func newSim(t testing.TB, h *home, c choices, g guest) *sim {
	t.Helper()
	h.t = t
	w := newWorld(t, g.app, 1<<20)
	s := &sim{t: t, choices: c, guest: g, h: h, w: w, naive: newNaive(t, w, g.module), trouble: c.below(3) == 0}
	h.wall = func() time.Time { return s.naive.now }
	s.c = w.join(h)
	rng := rand.New(rand.NewPCG(uint64(c.below(256)), 0))
	s.rng = rng
	for range 1 + c.below(3) {
		s.authors = append(s.authors, newAuthor(rng))
	}
	s.authors = append(s.authors, w.creator)
	s.all = append(s.all, w.genesis)
	s.make(w.creator, g.init)
	return s
}

func (s *sim) say(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *sim) make(a *author, artifact []byte, parents ...*delta.Delta) {
	d := s.w.write(a, uint64(1+s.choices.below(3)), artifact, parents...)
	s.all = append(s.all, d)
	s.pool = append(s.pool, d.Bytes())
	s.say("author %x makes %s: seq %d, time %d, %q on %v", a.key.Public().String()[:4], d.ID(), a.seq, d.Header().Time/delta.Tick, artifact, d.Header().Parents)
}

// parents are some that an author may know.
func (s *sim) parents() (out []*delta.Delta) {
	for range s.choices.below(3) {
		recent := s.all[max(0, len(s.all)-6):]
		out = append(out, recent[s.choices.below(len(recent))])
	}
	return out
}

// step lets one thing happen.
func (s *sim) step() {
	s.events++
	switch s.choices.below(9) {
	case 8:
		s.enlist()
		return
	case 0, 1, 2:
		a := s.authors[s.choices.below(len(s.authors))]
		if s.trouble && s.choices.below(4) == 0 {
			s.spoil(a)
			return
		}
		s.make(a, s.guest.artifact(s.choices, a), s.parents()...)
		return
	case 3, 4, 5:
		s.deliver(1 + s.choices.below(3))
	case 6:
		s.call()
	case 7:
		if s.trouble && s.choices.below(3) == 0 {
			s.naive.now = s.naive.now.Add(time.Duration(1+s.choices.below(4)) * time.Minute)
			s.say("the clock is %s", s.naive.now)
			must(s.t, s.h.set.Reconsider(s.t.Context(), s.w.context))
		} else {
			s.deliver(1 + s.choices.below(8))
		}
	}
	s.check()
}

// enlist changes the membership, by somebody who may or may not: it admits a key that
// was never heard of, or that others admit as well, or revokes an invitation. Whoever
// it is about writes from then on, whether or not what it knows has the admission.
func (s *sim) enlist() {
	by := s.authors[s.choices.below(len(s.authors))]
	var m delta.Member
	switch n := s.choices.below(8); {
	case n < 2 && len(s.papers) > 0:
		inv, err := members.DecodeInvitation(s.papers[s.choices.below(len(s.papers))].Admit.Invitation)
		must(s.t, err)
		id := inv.ID()
		m.Revoke = &id
	case n == 2 && len(s.papers) > 0: // by the papers of another
		m = s.papers[s.choices.below(len(s.papers))]
	default:
		i, issuer := s.choices.below(5), by
		for len(s.recruits) <= i {
			a := strangerOf(s.rng)
			s.recruits = append(s.recruits, a)
			s.authors = append(s.authors, a)
		}
		if s.choices.below(4) == 0 {
			issuer = s.authors[s.choices.below(len(s.authors))]
		}
		role := members.Role(2 + s.choices.below(3))
		expires := base.Add(time.Duration(s.choices.below(20)) * time.Hour)
		m = s.w.admission(issuer, s.recruits[i].key, role, expires)
		s.papers = append(s.papers, m)
	}
	d := s.w.change(by, m, s.parents()...)
	s.all = append(s.all, d)
	s.pool = append(s.pool, d.Bytes())
	s.say("author %x changes the membership by %s: seq %d, time %d, on %v", by.key.Public().String()[:4], d.ID(), by.seq, d.Header().Time/delta.Tick, d.Header().Parents)
}

// deliver hands some deltas over as one, in any order, now and then some again.
func (s *sim) deliver(n int) {
	var batch [][]byte
	for range min(n, len(s.pool)) {
		i := s.choices.below(len(s.pool))
		batch = append(batch, s.pool[i])
		s.pool = slices.Delete(s.pool, i, i+1)
	}
	s.sent = append(s.sent, batch...)
	for range s.choices.below(3) {
		if len(s.sent) > 0 {
			batch = append(batch, s.sent[s.choices.below(len(s.sent))])
		}
	}
	for _, raw := range batch {
		_, id, _ := delta.Inspect(raw)
		s.say("arrives %s", id)
	}
	s.h.receive(s.c, batch...)
	s.naive.receive(batch...)
}

// call writes on the replica itself; others may rest on what it makes.
func (s *sim) call() {
	method, input := s.guest.call(s.choices)
	res, err := s.h.set.Execute(s.t.Context(), replica.Request{
		Context: s.w.context, Method: method, Input: input, Executor: s.c.Member,
	})
	s.say("call %s %q: %v", method, input, err)
	if err != nil || !res.Changed {
		return
	}
	raw := s.h.made[res.Delta]
	s.naive.receive(raw)
	s.sent = append(s.sent, raw)
	s.all = append(s.all, opened(s.t, raw))
	s.say("made %s", res.Delta)
}

// spoil makes a delta that breaks a rule or has to wait. Nobody honest rests on it,
// but for forks.
func (s *sim) spoil(a *author) {
	form, err := delta.EncodeState(delta.State{Artifact: s.guest.artifact(s.choices, a)})
	must(s.t, err)
	seq, ticks, key, parents := a.seq+1, uint64(1), s.w.key, append(s.parents(), a.last)
	kind := s.choices.below(8)
	switch kind {
	case 0: // a gap
		seq++
	case 1: // a number that is in its past, or will be a fork
		seq = max(a.seq, 1)
	case 2: // a fork: beside its last one
		seq, parents = max(a.seq, 1), s.parents()
	case 3: // the clock
		ticks = uint64(6*time.Minute) / delta.Tick
	case 4: // an unknown key
		key = delta.NewEpochKey()
	case 5: // what a newer release makes of a payload
		form = append([]byte{form[0] + 1}, append(form[1:], 0x18, 99, 1)...)
	case 6: // no payload at all
		form = []byte("garbage")
	}
	d, err := s.w.sealAs(a, seq, ticks, form, key, parents...)
	must(s.t, err)
	if kind == 7 { // by somebody without the key
		d = s.w.unsealed(a, d)
	}
	s.pool = append(s.pool, d.Bytes())
	if s.choices.below(2) == 0 {
		s.all = append(s.all, d) // others rest on it
	}
	s.say("trouble %d: %s, seq %d, time %d, on %v", kind, d.ID(), seq, d.Header().Time/delta.Tick, d.Header().Parents)
}

func (s *sim) check() {
	s.t.Helper()
	if diff := s.naive.diff(s.h, s.c); diff != "" {
		for _, line := range s.log {
			s.t.Log(line)
		}
		s.t.Fatalf("after event %d: %s", s.events, diff)
	}
}

// finish delivers the rest, and leaves.
func (s *sim) finish() {
	for len(s.pool) > 0 {
		s.deliver(1 + s.choices.below(5))
		s.check()
	}
	s.h.verify(s.w.context)
	if s.t.Failed() {
		for _, line := range s.log {
			s.t.Log(line)
		}
	}
	s.w.leave(s.h)
}

// tally counts what became of memberships.
func (s *sim) tally(seen map[string]int) {
	fates := s.naive.tell().fates
	for id, l := range s.naive.got {
		fate := fates[id]
		switch {
		case l.header.Kind == delta.KindMember && fate == "folded":
			m, err := delta.DecodeMember(payloadOf(s.naive, l.delta))
			must(s.t, err)
			seen[map[bool]string{true: "admitted", false: "revoked"}[m.Admit != nil]]++
		case l.header.Kind == delta.KindMember && strings.HasPrefix(fate, "void"):
			seen["void member delta"]++
		case strings.HasPrefix(fate, "void: its author"):
			seen[fate]++
		}
	}
}

// simulate runs one sim.
func simulate(t testing.TB, h *home, c choices, g guest, events int) *sim {
	t.Helper()
	s := newSim(t, h, c, g)
	for range events {
		s.step()
	}
	s.finish()
	return s
}

// tapeModule lends the guest of a home until the test ends.
func tapeModule(t testing.TB, h *home) (*vm.Module, [32]byte) {
	t.Helper()
	app := h.installTape()
	module, release, err := h.apps.Module(t.Context(), app)
	must(t, err)
	t.Cleanup(release)
	return module, app
}

// tapes are the guest of tapes: operations over few keys, so that they meet.
func tapes(t testing.TB, h *home) guest {
	t.Helper()
	ops := func(c choices) []byte {
		list := make([]string, 0, 3)
		for range 1 + c.below(3) {
			op := "aaasdmmiiffppcxnrtuev"[c.below(21)]
			arg := byte("abcd"[c.below(4)])
			if op == 'f' {
				arg = byte(c.below(40))
			}
			list = append(list, string([]byte{op, "abcd"[c.below(4)], arg}))
		}
		return tape(list...)
	}
	module, app := tapeModule(t, h)
	return guest{
		module: module, app: app, init: tape(),
		artifact: func(c choices, _ *author) []byte { return ops(c) },
		call:     func(c choices) (string, []byte) { return "do", ops(c) },
	}
}

// kvs are the key-value application, a guest written in Go whose operations are
// ordered by times of their own.
func kvs(t testing.TB, h *home) guest {
	t.Helper()
	app := h.install("rawkv")
	module, release, err := h.apps.Module(t.Context(), app)
	must(t, err)
	t.Cleanup(release)
	key := func(c choices) string { return strings.Repeat("abcd"[c.below(4):][:1], 1+99*c.below(2)) }
	value := func(c choices) string { return strings.Repeat("value ", []int{0, 1, 1000}[c.below(3)]) }
	return guest{
		module: module, app: app, init: state.Encode([]state.Op{{Kind: state.Init}}),
		artifact: func(c choices, a *author) []byte {
			if c.below(12) == 0 {
				return []byte("no artifact of this application")
			}
			ops := make([]state.Op, c.below(4))
			for i := range ops {
				// Now and then later than the delta will be.
				at := delta.NextTime(base) + delta.Time(c.below(30))*delta.Tick
				ops[i] = state.Op{Kind: state.Set, Key: key(c), Time: uint64(at), Author: a.key.Public()}
				if c.below(3) == 0 {
					ops[i].Kind = state.Remove
				} else {
					ops[i].Value = value(c)
				}
			}
			return state.Encode(ops)
		},
		call: func(c choices) (string, []byte) {
			if c.below(3) == 0 {
				return "remove", encode(t, kv{Key: key(c)})
			}
			return "set", encode(t, map[string]string{"key": key(c), "value": value(c)})
		},
	}
}

// times is how often to do something: so often on each change, or what a variable of
// the environment says. With the race detector, which looks for races and not for rare
// histories, a sixteenth of it is enough.
func times(t testing.TB, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	switch {
	case text != "":
		n, err := strconv.Atoi(text)
		must(t, err)
		return n
	case raced && variable != seedVar:
		return max(usual/16, 2)
	}
	return usual
}

// TestAgainstModel compares a replica with the model after each event of random
// histories: authors that write at the same time and rest on each other, arrivals in
// any order, doubly and in batches, calls in between, and in some of them every kind
// of trouble (F7, F16). MERO_HISTORIES sets how many, MERO_SEED which is the first.
func TestAgainstModel(t *testing.T) {
	againstModel(t, tapes, times(t, "MERO_HISTORIES", 60), 40)
}

// TestGoGuestAgainstModel is TestAgainstModel with a guest that Go's compiler made:
// few histories, since each apply takes a millisecond.
func TestGoGuestAgainstModel(t *testing.T) {
	usual := 12
	if raced {
		usual = 3
	}
	againstModel(t, kvs, times(t, "MERO_GO_HISTORIES", usual), 20)
}

func againstModel(t *testing.T, of func(testing.TB, *home) guest, n, length int) {
	t.Helper()
	first := times(t, "MERO_SEED", 1)
	h := newQuickHome(t)
	g := of(t, h)
	events, deltas, seen := 0, 0, make(map[string]int)
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(seed))
			s := simulate(t, h, fromSeed{rand.New(rand.NewPCG(uint64(seed), 0))}, g, length)
			events, deltas = events+s.events, deltas+len(s.sent)
			s.tally(seen)
		})
	}
	h.t = t
	t.Logf("%d histories with %d events and %d deltas: %v", n, events, deltas, seen)
	for _, what := range []string{"admitted", "revoked", "void member delta", "void: its author is not a member", "void: its author may only read"} {
		if n >= 50 && seen[what] == 0 {
			t.Errorf("no %s: the test is too tame", what)
		}
	}
}

// FuzzAgainstModel is TestAgainstModel with the fuzzer in charge.
func FuzzAgainstModel(f *testing.F) {
	h := newQuickHome(f)
	g := tapes(f, h)
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 200)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		defer func() { h.t = f }()
		if len(data) > 300 {
			return
		}
		simulate(t, h, &fromBytes{data}, g, min(len(data)/6, 40))
	})
}
