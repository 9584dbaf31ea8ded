package replica_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/chacha20"

	"mero/node/delta"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/root"
	"mero/node/store"
	"mero/node/vm"
)

// naive is the fold a second time, from the words of R3, R4, R7 and R8 alone: it
// keeps the envelopes that came and computes everything from all of them at once,
// folding from genesis. It shares nothing with package replica but the guest.
type naive struct {
	t      testing.TB
	w      *world
	module *vm.Module
	keys   map[delta.EpochID]delta.EpochKey
	now    time.Time
	got    map[delta.ID]letter
	read   map[string]paper // papers that were verified
}

// letter is one envelope.
type letter struct {
	id     delta.ID
	header delta.Header
	delta  *delta.Delta // nil: only a newer release knows what it is
}

func newNaive(t testing.TB, w *world, module *vm.Module) *naive {
	t.Helper()
	n := &naive{
		t: t, w: w, module: module, now: base, got: make(map[delta.ID]letter), read: make(map[string]paper),
		keys: map[delta.EpochID]delta.EpochKey{w.key.ID(): w.key},
	}
	n.receive(w.genesis.Bytes())
	n.receive(w.first...)
	return n
}

func (n *naive) receive(envelopes ...[]byte) {
	for _, raw := range envelopes {
		d, err := delta.Open(raw)
		var newer *delta.UpgradeError
		switch {
		case errors.As(err, &newer):
			n.got[newer.ID] = letter{id: newer.ID, header: newer.Header}
		case err != nil || d.Header().Context != n.w.context:
		case d.Header().Time.Wall().Sub(n.now) > 24*time.Hour: // it comes again
		default:
			n.got[d.ID()] = letter{id: d.ID(), header: d.Header(), delta: d}
		}
	}
}

// verdict of the causal rules on one delta.
type verdict int

const (
	connected verdict = iota + 1
	missing           // an ancestor is
	broken            // it breaks a rule, or rests on what does
)

// told is what the model says of a context.
type told struct {
	state map[string]string
	fates map[delta.ID]string // "folded", "void: why", the kind of waiting; absent: refused, or waiting for what is
	loose map[delta.ID]bool   // may wait or not be there: what it rests on is refused
	heads []delta.ID
	root  [32]byte
}

// graph judges each delta by its past.
type graph struct {
	n        *naive
	pasts    map[delta.ID]map[delta.ID]bool
	verdicts map[delta.ID]verdict
}

func (g *graph) judge(id delta.ID) verdict {
	if v, known := g.verdicts[id]; known {
		return v
	}
	v := g.rules(g.n.got[id].header, id)
	g.verdicts[id] = v
	return v
}

func (g *graph) rules(h delta.Header, id delta.ID) verdict {
	if (id == g.n.w.genesis.ID()) != (h.Kind == delta.KindGenesis) {
		return broken
	}
	if key, keyed := g.n.keys[h.Epoch]; keyed && g.n.got[id].delta != nil {
		if _, err := g.n.got[id].delta.Payload(key); err != nil {
			return broken // nobody with the key sealed it
		}
	}
	past := make(map[delta.ID]bool)
	v := connected
	for _, p := range h.Parents {
		parent, there := g.n.got[p]
		switch {
		case !there:
			v = max(v, missing)
			continue
		case parent.header.Time >= h.Time:
			return broken
		}
		v = max(v, g.judge(p))
		past[p] = true
		maps.Copy(past, g.pasts[p])
	}
	if v != connected {
		return v
	}
	before := h.Seq == 1
	for a := range past {
		if other := g.n.got[a].header; other.Writer() == h.Writer() {
			before = before || other.Seq == h.Seq-1
			if other.Seq == h.Seq {
				return broken
			}
		}
	}
	if !before {
		return broken
	}
	g.pasts[id] = past
	return connected
}

// own is the kind of what a delta waits for itself.
func (n *naive) own(l letter) string {
	_, keyed := n.keys[l.header.Epoch]
	switch {
	case l.header.Time.Wall().Sub(n.now) > 5*time.Minute:
		return "clock"
	case l.delta == nil:
		return "upgrade"
	case !keyed:
		return "key"
	}
	return ""
}

// graph judges all that came.
func (n *naive) graph() *graph {
	g := &graph{n: n, pasts: make(map[delta.ID]map[delta.ID]bool), verdicts: make(map[delta.ID]verdict)}
	for id := range n.got {
		g.judge(id)
	}
	return g
}

// inPlace sorts by canonical order.
func inPlace(list []letter) []letter {
	slices.SortFunc(list, func(a, b letter) int {
		if a.header.Time != b.header.Time {
			return int(int64(a.header.Time) - int64(b.header.Time))
		}
		return a.id.Compare(b.id)
	})
	return list
}

// tell folds everything from genesis.
func (n *naive) tell() *told {
	n.t.Helper()
	g := n.graph()
	out := &told{state: make(map[string]string), fates: make(map[delta.ID]string), loose: make(map[delta.ID]bool)}
	var order []letter
	for id, l := range n.got {
		switch g.judge(id) {
		case connected:
			order = append(order, l)
		case missing:
			out.fates[id] = "parents"
			out.loose[id] = g.restsOnBroken(id)
		case broken:
		}
	}
	inPlace(order)
	var state vmState = out.state
	m := &membership{n: n, g: g, changes: make(map[delta.ID]delta.Member)}
	heads := make(map[delta.ID]bool)
	for _, l := range order {
		if kind := n.own(l); kind != "" {
			out.fates[l.id] = kind
			continue
		}
		if slices.ContainsFunc(l.header.Parents, func(p delta.ID) bool { return !settled(out.fates[p]) }) {
			out.fates[l.id] = "parents"
			continue
		}
		out.fates[l.id] = n.apply(l.delta, state, m)
		if !settled(out.fates[l.id]) {
			continue
		}
		for _, p := range l.header.Parents {
			delete(heads, p)
		}
		heads[l.id] = true
	}
	out.heads = slices.SortedFunc(maps.Keys(heads), delta.ID.Compare)
	out.root = n.root(state, m.of(g.all()))
	return out
}

func settled(fate string) bool { return fate == "folded" || strings.HasPrefix(fate, "void: ") }

func (g *graph) restsOnBroken(id delta.ID) bool {
	for _, p := range g.n.got[id].header.Parents {
		if _, there := g.n.got[p]; there && (g.judge(p) == broken || g.restsOnBroken(p)) {
			return true
		}
	}
	return false
}

// apply folds one delta into the state and gives its fate.
func (n *naive) apply(d *delta.Delta, state vmState, m *membership) string {
	n.t.Helper()
	h := d.Header()
	if h.Kind == delta.KindGenesis {
		return "folded"
	}
	form, err := d.Payload(n.keys[h.Epoch])
	must(n.t, err)
	cut := m.cut(d)
	author, is := cut.members[h.Author]
	switch {
	case !is:
		return "void: its author is not a member"
	case h.Kind == delta.KindMember:
		return m.judge(d, form, cut)
	case author.Role == members.ReadOnly:
		return "void: its author may only read"
	}
	payload, err := delta.DecodeState(form)
	if errors.Is(err, delta.ErrUpgrade) {
		return "upgrade"
	}
	if err != nil {
		return "void: " + err.Error()
	}
	call := vm.Call{
		Mode: vm.ModeApply, Method: "__calimero_sync_next", Input: payload.Artifact,
		Context: h.Context, Executor: h.Author, Time: uint64(h.Time), Random: stream(d.ID()),
		State: state, Members: cut, Timeout: time.Minute,
	}
	if payload.Call != nil {
		call.Method, call.Input, call.Random = payload.Call.Method, payload.Call.Input, stream(payload.Call.Seed)
	}
	out, err := n.module.Run(n.t.Context(), call)
	var guest *vm.Error
	switch {
	case errors.As(err, &guest) && guest.Kind != vm.KindHost && guest.Kind != vm.KindTimeout:
		return "void: " + guest.Words()
	case err != nil:
		n.t.Fatalf("apply %s: %v", d.ID(), err)
	case payload.Call == nil && !out.Committed:
		return "void: " + replica.ErrLostWrite.Error()
	}
	changed, after := 0, 0
	next := maps.Clone(state)
	for _, w := range out.Writes {
		changed += len(w.Key) + len(w.Value)
		delete(next, string(w.Key))
		if !w.Delete {
			next[string(w.Key)] = string(w.Value)
		}
	}
	for k, v := range next {
		after += len(k) + len(v)
	}
	if changed > delta.MaxChanged {
		return "void: change of state"
	}
	if before := size(state); after > int(n.w.quota) && after > before {
		return "void: state of the context"
	}
	clear(state)
	maps.Copy(state, next)
	return "folded"
}

func size(state map[string]string) (n int) {
	for k, v := range state {
		n += len(k) + len(v)
	}
	return n
}

// root is R9's, from the state alone.
func (n *naive) root(state map[string]string, who *roll) [32]byte {
	var sum root.Sum
	for k, v := range state {
		sum.Replace([]byte(k), nil, []byte(v), false, true)
	}
	meta := []byte("mero/meta/v1\x00")
	for _, id := range [][32]byte{n.w.genesis.ID(), n.w.app, n.w.key.ID()} {
		meta = append(meta, id[:]...)
	}
	digest := who.digest(n.w)
	meta = append(meta, digest[:]...)
	return sum.Root(sha256.Sum256(meta))
}

// stream is the randomness of R7.
func stream(seed [32]byte) io.Reader {
	key := sha256.Sum256(append([]byte("mero/random/v1\x00"), seed[:]...))
	cipher, err := chacha20.NewUnauthenticatedCipher(key[:], make([]byte, chacha20.NonceSize))
	if err != nil {
		panic(err)
	}
	zeros := make([]byte, 4096)
	cipher.XORKeyStream(zeros, zeros)
	return bytes.NewReader(zeros)
}

type vmState map[string]string

// Get implements vm.State.
func (s vmState) Get(key []byte) ([]byte, bool, error) {
	v, ok := s[string(key)]
	return []byte(v), ok, nil
}

// diff holds a replica against the model, and says what differs.
func (n *naive) diff(h *home, c replica.Created) string {
	n.t.Helper()
	want, info := n.tell(), h.info(c)
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if d := cmp.Diff(want.state, h.state(c)); d != "" {
		say("state (-model +replica): %s", d)
	}
	if !slices.Equal(want.heads, info.Heads) {
		say("heads are %v, the model says %v", info.Heads, want.heads)
	}
	if want.root != info.Root {
		say("root is %x, the model says %x", info.Root, want.root)
	}
	fates := h.fates(c)
	var counts [4]uint64
	for id, rec := range fates {
		counts[rec.Fate]++
		fate, known := want.fates[id]
		if got := fateText(rec); !known && rec.Fate != store.FateWaiting {
			say("delta %s is %s, the model does not know it", id, got)
		} else if known && got != fate && (!strings.HasPrefix(fate, "void: ") || !strings.HasPrefix(got, fate)) {
			say("delta %s is %q, the model says %q", id, got, fate)
		}
	}
	for id, fate := range want.fates {
		if _, there := fates[id]; !there && !want.loose[id] {
			say("delta %s is not there, the model says %q", id, fate)
		}
	}
	if counts != [4]uint64{0, info.Deltas, info.Voids, info.Waiting} {
		say("counts are %d folded, %d void, %d waiting; the fates say %v", info.Deltas, info.Voids, info.Waiting, counts)
	}
	return strings.Join(out, "\n")
}

// fateText is a fate as the model gives it.
func fateText(r store.DeltaRecord) string {
	switch r.Fate {
	case store.FateFolded:
		return "folded"
	case store.FateVoid:
		return "void: " + r.Reason
	default:
		kind, _, _ := strings.Cut(r.Reason, ": ")
		return kind
	}
}
