package replica_test

import (
	"maps"
	"slices"
	"strings"
	"time"

	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/hosted/hostedtest"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/vm"
)

// updateModel is the fold of a complete history with updates, from the words of R8 and
// R10 alone: one delta after another in canonical order, from genesis, each by the code
// that is in force at its place. Nothing is ever taken back, and nothing is kept but the rows.
// What operations on collections do to the rows is hosted.Fold's, which package
// collections holds against models of its own.
type updateModel struct {
	u     *updateTrial
	naive *naive // for what a guest applies by itself, and for the root
	who   *membership
	app   ident.AppID
	state *hostedtest.State
}

// told is what a history comes to.
func (u *updateTrial) told(w *world, log []*delta.Delta) outcome {
	u.t.Helper()
	in := *w
	m := &updateModel{u: u, naive: newNaive(u.t, &in, nil), app: w.app, state: hostedtest.New()}
	m.naive.now = log[len(log)-1].Header().Time.Wall()
	m.naive.receive(append(slices.Clone(w.first), w.genesis.Bytes())...)
	for _, d := range log {
		m.naive.receive(d.Bytes())
	}
	g := m.naive.graph()
	m.who = &membership{n: m.naive, g: g, changes: make(map[delta.ID]delta.Member)}
	out := outcome{fates: map[delta.ID]string{w.genesis.ID(): "folded"}}
	heads := map[delta.ID]bool{w.genesis.ID(): true}
	for _, l := range inPlace(slices.Collect(maps.Values(m.naive.got))) {
		d := l.delta
		if d.ID() == w.genesis.ID() {
			continue
		}
		fate := "folded"
		if !m.apply(d) {
			fate = "void"
		}
		out.fates[d.ID()] = fate
		for _, p := range d.Header().Parents {
			delete(heads, p)
		}
		heads[d.ID()] = true
	}
	out.heads = slices.SortedFunc(maps.Keys(heads), delta.ID.Compare)
	out.state = m.rows()
	in.app = m.app
	out.root = m.naive.root(out.state, m.who.of(g.all()))
	return out
}

// rows is the state.
func (m *updateModel) rows() map[string]string {
	out := map[string]string{}
	all, err := m.state.Range(nil, nil, m.state.Len())
	must(m.u.t, err)
	for _, kv := range all {
		out[string(kv.Key)] = string(kv.Value)
	}
	return out
}

// apply reports whether a delta folds, and does it.
func (m *updateModel) apply(d *delta.Delta) bool {
	m.u.t.Helper()
	form, err := d.Payload(m.naive.w.key)
	must(m.u.t, err)
	h := d.Header()
	cut := m.who.cut(d)
	if h.Kind == delta.KindMember || !cut.IsMember(h.Author) {
		return m.naive.apply(d, nil, m.who) == "folded"
	}
	if h.Kind == delta.KindApp {
		up, err := delta.DecodeApp(form)
		must(m.u.t, err)
		return m.update(d, up)
	}
	payload, err := delta.DecodeState(form)
	must(m.u.t, err)
	module := m.u.modules[m.app]
	switch {
	case module.HostManaged() != (payload.Call == nil && payload.Artifact == nil):
		return false // it is not in the form of the application
	case module.HostManaged():
		writes, err := hosted.Fold(m.state, d.Header(), payload.Ops)
		must(m.u.t, err)
		m.state.Apply(writes)
		return true
	}
	m.naive.module = module
	rows := m.rows()
	if fate := m.naive.apply(d, rows, m.who); fate != "folded" {
		if !strings.HasPrefix(fate, "void: ") {
			m.u.t.Fatalf("delta %s: %s", d.ID(), fate)
		}
		return false
	}
	m.state = hostedtest.New()
	for key, value := range rows {
		m.state.Put([]byte(key), []byte(value))
	}
	return true
}

// update is an update at its place.
func (m *updateModel) update(d *delta.Delta, up delta.App) bool {
	m.u.t.Helper()
	h, before, after := d.Header(), m.u.modules[m.app], m.u.modules[up.App]
	switch {
	case m.who.cut(d).members[h.Author].Role > members.Admin:
		return false
	case before.HostManaged() != after.HostManaged() && m.state.Len() > 0:
		return false
	case up.Migrate != "" && !after.HostManaged():
		return false
	}
	if up.Migrate != "" {
		tx := hosted.Begin(m.state, h.Writer(), h.Time)
		_, err := after.Run(m.u.t.Context(), vm.Call{
			Mode: vm.ModeApply, Method: up.Migrate, Context: h.Context, Executor: h.Author,
			Time: uint64(h.Time), Random: stream(d.ID()), Members: m.who.cut(d), Collections: tx, Timeout: time.Minute,
		})
		if err != nil {
			return false
		}
		writes, err := hosted.Fold(m.state, h, tx.Ops()) // what it did, as a delta of it would be folded
		must(m.u.t, err)
		m.state.Apply(writes)
	}
	m.app = up.App
	return true
}
