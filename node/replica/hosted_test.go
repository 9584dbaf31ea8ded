package replica_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/hosted/hostedtest"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// do runs lines of the collections application.
func (h *home) do(c replica.Created, lines ...string) (*replica.Result, error) {
	h.t.Helper()
	return h.set.Execute(h.t.Context(), replica.Request{
		Context: c.Context, Method: "do", Input: []byte(strings.Join(lines, "\n")), Executor: c.Member,
	})
}

// did is do, which must succeed.
func (h *home) did(c replica.Created, lines ...string) string {
	h.t.Helper()
	res, err := h.do(c, lines...)
	must(h.t, err)
	return string(res.Output)
}

// installMore installs the collections application with other code: what is added is
// a section that means nothing.
func (h *home) installMore(add byte) ident.AppID {
	h.t.Helper()
	wasm := append(bytes.Clone(apptest.Build(h.t, "collections")), 0, 3, 1, 'x', add)
	app, err := h.apps.Install(h.t.Context(), bytes.NewReader(wasm), apps.Source{})
	must(h.t, err)
	return app.ID
}

// installAs installs the collections application with a description.
func (h *home) installAs(description string) ident.AppID {
	h.t.Helper()
	app, err := h.apps.Install(h.t.Context(), bytes.NewReader(described(apptest.Build(h.t, "collections"), description)), apps.Source{})
	must(h.t, err)
	return app.ID
}

// TestMigrationsFolded: what cannot be a migration makes an update of somebody else void,
// with the same words as it is refused with.
func TestMigrationsFolded(t *testing.T) {
	h := newQuickHome(t)
	says := h.installAs(`{"abi":1,"name":"c","methods":[{"name":"migrate","reads":true},{"name":"do","args":[{"name":"words","type":"?string"}]}]}`)
	first := h.install("collections")
	w := newWorld(t, first, 1<<30)
	u := &updateTrial{t: t, rng: rand.New(rand.NewPCG(1, 3))}
	c := w.join(h)
	for _, row := range []struct {
		app           ident.AppID
		migrate, want string
	}{
		{says, "migrate", "void it cannot be a migration: migrate reads only"},
		{says, "do", "void it cannot be a migration: do wants arguments (words, 1 in all), and a migration gets none"},
		{says, "_initialize", "void it cannot be a migration: only the node calls _initialize"},
		{first, "migrate_not", "void migration: the application returned an error: it cannot be"},
		{says, "migrate_not", "void migration: the application returned an error: it cannot be"},
		{says, "absent", `void migration: method "absent" not found`},
		{first, "migrate", "folded "},
	} {
		form, err := delta.EncodeApp(delta.App{App: row.app, Migrate: row.migrate})
		must(t, err)
		d := u.seal(w, w.creator, delta.KindApp, form, w.genesis)
		h.receive(c, d.Bytes())
		if got := appOutcome(h, c).fates[d.ID()]; got != row.want {
			t.Errorf("%s: %s, want %s", row.migrate, got, row.want)
		}
	}
	h.verify(w.context)
}

// plain folds the operations of a home's deltas by themselves, in canonical order.
func (h *home) plain(c replica.Created) map[string]string {
	h.t.Helper()
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	key, err := view.EpochKey(view.Context().Epoch)
	must(h.t, err)
	state := hostedtest.New()
	for _, raw := range h.log(c) {
		d, err := delta.Open(raw)
		must(h.t, err)
		if d.Header().Kind != delta.KindState {
			continue
		}
		form, err := d.Payload(key)
		must(h.t, err)
		payload, err := delta.DecodeState(form)
		must(h.t, err)
		writes, err := hosted.Fold(state, d.Header(), payload.Ops)
		must(h.t, err)
		state.Apply(writes)
	}
	out := map[string]string{}
	all, err := state.Range(nil, nil, state.Len())
	must(h.t, err)
	for _, kv := range all {
		out[string(kv.Key)] = string(kv.Value)
	}
	return out
}

// TestHosted has three members work on the same collections at the same time, each on
// its own replica, and exchange deltas in any order: all hold the same in the end, and
// it is what the operations give by themselves.
func TestHosted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	homes := []*home{newQuickHome(t), newQuickHome(t), newQuickHome(t)}
	made := []replica.Created{homes[0].create("collections", "")}
	for _, h := range homes[1:] {
		h.install("collections")
		made = append(made, h.join(homes[0], made[0]))
	}
	calls := []func() string{
		func() string { return fmt.Sprintf("open 0 m 2 0\nput 1 k%d v%d", rng.IntN(9), rng.IntN(1000)) },
		func() string { return fmt.Sprintf("open 0 m 2 0\nremove 1 k%d", rng.IntN(9)) },
		func() string { return fmt.Sprintf("open 0 s 3 0\nadd 1 e%d", rng.IntN(9)) },
		func() string { return fmt.Sprintf("open 0 s 3 0\nremove 1 e%d", rng.IntN(9)) },
		func() string { return fmt.Sprintf("open 0 c 4 0\nincrease 1 %d", rng.IntN(100)-50) },
		func() string { return fmt.Sprintf("open 0 l 5 0\ninsert_at 1 0 v%d", rng.IntN(1000)) },
		func() string { return fmt.Sprintf("open 0 t 6 0\ntext_insert 1 0 w%d", rng.IntN(1000)) },
		func() string {
			return fmt.Sprintf("open 0 n 2 0\nopen 1 k%d 2 0\nopen 2 c 4 0\nincrease 3 1", rng.IntN(3))
		},
		func() string { return fmt.Sprintf("open 0 n 2 0\nremove 1 k%d", rng.IntN(3)) },
		func() string { return "emit 0 seen now" },
	}
	for range 150 {
		i := rng.IntN(len(homes))
		homes[i].did(made[i], calls[rng.IntN(len(calls))]())
		if rng.IntN(4) == 0 {
			j := rng.IntN(len(homes))
			log := homes[i].log(made[i])
			rng.Shuffle(len(log), func(a, b int) { log[a], log[b] = log[b], log[a] })
			homes[j].receive(made[j], log[:rng.IntN(len(log)+1)]...)
		}
	}
	for i, h := range homes {
		for j, other := range homes {
			h.receive(made[i], other.log(made[j])...)
		}
	}
	want := homes[0].plain(made[0])
	for i, h := range homes {
		h.set.Deepen(t.Context())
		if diff := cmp.Diff(want, h.state(made[i])); diff != "" {
			t.Errorf("home %d (-by the operations +state):\n%s", i, diff)
		}
		if a, b := homes[0].info(made[0]), h.info(made[i]); a.Root != b.Root || !slices.Equal(a.Heads, b.Heads) {
			t.Errorf("home %d: root %x at %v, want %x at %v", i, b.Root, b.Heads, a.Root, a.Heads)
		}
		h.verify(made[i].Context)
	}
	if len(want) < 20 {
		t.Errorf("only %d rows", len(want))
	}
}

// TestHostedCalls: which calls make deltas, and what ends one with nothing changed.
func TestHostedCalls(t *testing.T) {
	h := newQuickHome(t)
	c := h.create("collections", "")
	for _, row := range []struct {
		lines   string
		changed bool
	}{
		{"open 0 m 2 0\nput 1 k v", true},
		{"open 0 m 2 0\nget 1 k", false},
		{"open 0 m 2 0\nremove 1 absent", false},
		{"emit 0 kind data", true},
	} {
		dry, err := h.set.Execute(t.Context(), replica.Request{
			Context: c.Context, Method: "do", Input: []byte(row.lines), Executor: c.Member, DryRun: true,
		})
		must(t, err)
		before := h.info(c)
		if res, err := h.do(c, row.lines); err != nil || res.Changed != row.changed {
			t.Errorf("%q: %+v, %v; want a delta: %v", row.lines, res, err, row.changed)
		} else if dry.Changed || string(dry.Output) != string(res.Output) || len(dry.Writes) > 0 != (before.Root != h.info(c).Root) {
			t.Errorf("%q: dry run: %+v", row.lines, dry)
		}
	}
	before := h.info(c)
	for lines, want := range map[string]string{
		"open 0 m 5 0": "'m' is a map, not a list",
		"open 0 m 2 0\nput 1 k other\nput 1 k big:2000000":      "value",
		"open 0 m 2 0\nput 1 k other\nopen 0 l 5 0\nget_at 2 7": "index",
	} {
		_, err := h.do(c, lines)
		if !kind(vm.KindMisuse)(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", lines, err)
		}
		if got := h.info(c); !cmp.Equal(got, before) {
			t.Errorf("%q: the context changed: %s", lines, cmp.Diff(before, got))
		}
	}
}

// TestUpdateApp: an update with a migration is folded at its place, concurrent writes
// around it are folded by the code in force there, and a node without the new code
// waits for it.
func TestUpdateApp(t *testing.T) {
	now := base
	a, b := newQuickHome(t), newQuickHome(t)
	for _, h := range []*home{a, b} {
		h.wall = func() time.Time { return now }
	}
	c := a.create("collections", "")
	b.install("collections")
	d := b.join(a, c)
	later := newQuickHome(t) // has all else, and gets the update late, by a deep roll-back
	later.wall = b.wall
	later.install("collections")
	e := later.join(a, c)
	a.did(c, "open 0 m 2 0\nput 1 k a")
	b.receive(d, a.log(c)...)
	now = now.Add(time.Second)
	b.did(d, "open 0 m 2 0\nput 1 before b") // earlier than the update, and a does not know it
	now = now.Add(time.Second)
	next := a.installMore(1)
	res, err := a.set.UpdateApp(t.Context(), replica.UpdateRequest{Context: c.Context, App: next, Migrate: "migrate", Executor: c.Member})
	must(t, err)
	got := a.did(c, "open 0 m 2 0\nget 1 migrated")
	if !res.Changed || a.info(c).App != next || !strings.Contains(got, "yes") {
		t.Errorf("after the update: %+v, application %s, want %s; migrated: %q", res, a.info(c).App, next, got)
	}
	now = now.Add(time.Second)
	a.did(c, "open 0 m 2 0\nput 1 after a")
	b.receive(d, a.log(c)...)
	if info := b.info(d); info.App == next || b.waiting(d, "code") != 1 || b.waiting(d, "parents") != 1 {
		t.Errorf("without the new code: application %s, %v", info.App, b.fates(d))
	}
	a.receive(c, b.log(d)...) // takes the update back, and folds it again
	b.reopen()
	b.installMore(1)
	must(t, b.set.Reconsider(t.Context(), d.Context))
	later.installMore(1)
	for i, raw := range a.log(c) {
		if h, _, err := delta.Inspect(raw); err != nil || h.Kind != delta.KindApp && i < 5 { // two of them admit
			later.receive(e, raw)
		}
	}
	for range 210 {
		now = now.Add(time.Millisecond)
		later.did(e, "open 0 m 2 0\nput 1 own e")
	}
	later.set.Believe(replica.Ages)
	if later.receive(e, a.log(c)...); later.waiting(e, "order") == 0 {
		t.Errorf("not deep: %v", later.fates(e))
	}
	later.set.Deepen(t.Context())
	a.receive(c, later.log(e)...)
	b.receive(d, later.log(e)...)
	if ia, ie := a.info(c), later.info(e); ia.Root != ie.Root || ie.App != next {
		t.Errorf("late: root %x of %s, want %x", ie.Root, ie.App, ia.Root)
	}
	later.verify(e.Context)
	for _, id := range []ident.AppID{next, b.install("collections")} {
		if removed, err := b.apps.Remove(t.Context(), id); err == nil {
			t.Errorf("an application that is needed was removed: %v", removed)
		}
	}
	for _, entries := range []string{a.did(c, "open 0 m 2 0\nscan 1 - - 10"), b.did(d, "open 0 m 2 0\nscan 1 - - 10")} {
		for _, want := range []string{"k", "before", "after", "migrated"} {
			if !strings.Contains(entries, want) {
				t.Errorf("no %s among %q", want, entries)
			}
		}
	}
	if diff := cmp.Diff(a.state(c), b.state(d)); diff != "" {
		t.Errorf("states (-a +b):\n%s", diff)
	}
	ia, ib := a.info(c), b.info(d)
	if ia.Root != ib.Root || ia.App != next || ib.App != next {
		t.Errorf("root %x of %s and %x of %s", ia.Root, ia.App, ib.Root, ib.App)
	}
	a.verify(c.Context)
	b.verify(d.Context)
	if rep, err := b.set.Rebuild(t.Context(), d.Context); err != nil || rep.Root != ib.Root {
		t.Errorf("rebuilt: %+v, %v", rep, err)
	}
}

// waiting counts the deltas that wait for something.
func (h *home) waiting(c replica.Created, kind string) (n int) {
	for _, f := range h.fates(c) {
		if f.Fate == store.FateWaiting && strings.HasPrefix(f.Reason, kind+": ") {
			n++
		}
	}
	return n
}

// TestUpdateAppRefuses: what cannot be is refused where it is asked for, with nothing
// changed.
func TestUpdateAppRefuses(t *testing.T) {
	a, b := newQuickHome(t), newQuickHome(t)
	c := a.create("collections", "")
	b.install("collections")
	d := b.join(a, c)
	a.did(c, "open 0 m 2 0\nput 1 k a")
	b.receive(d, a.log(c)...)
	next, other := a.installMore(1), a.install("local")
	b.installMore(1)
	says := a.installAs(`{"abi":1,"name":"c","methods":[{"name":"migrate","reads":true},{"name":"migrate_not","init":true},
		{"name":"do","args":[{"name":"words","type":"?string"}]}]}`)
	before := a.info(c)
	for name, row := range map[string]struct {
		req  replica.UpdateRequest
		want string
	}{
		"the same":       {replica.UpdateRequest{App: before.App}, "already"},
		"not installed":  {replica.UpdateRequest{App: ident.AppID{1}}, "not installed"},
		"other state":    {replica.UpdateRequest{App: other}, "host-managed"},
		"no such method": {replica.UpdateRequest{App: next, Migrate: "absent"}, "absent"},
		"a failing one":  {replica.UpdateRequest{App: next, Migrate: "migrate_badly"}, "no way back"},
		"returned error": {replica.UpdateRequest{App: next, Migrate: "migrate_not"}, "migration: the application returned an error: it cannot be"},
		"init":           {replica.UpdateRequest{App: next, Migrate: "init"}, "it cannot be a migration: only the node calls init"},
		"another export": {replica.UpdateRequest{App: next, Migrate: "_initialize"}, "only the node calls _initialize"},
		"declared init":  {replica.UpdateRequest{App: says, Migrate: "migrate_not"}, "migrate_not makes the first state"},
		"reads":          {replica.UpdateRequest{App: says, Migrate: "migrate"}, "it cannot be a migration: migrate reads only"},
		"arguments":      {replica.UpdateRequest{App: says, Migrate: "do"}, "do wants arguments (words, 1 in all)"},
		"no member":      {replica.UpdateRequest{App: next, Executor: ident.PublicKey{1}}, "not"},
	} {
		row.req.Context = c.Context
		if row.req.Executor == (ident.PublicKey{}) {
			row.req.Executor = c.Member
		}
		_, err := a.set.UpdateApp(t.Context(), row.req)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
		if got := a.info(c); !cmp.Equal(got, before) {
			t.Errorf("%s: the context changed: %s", name, cmp.Diff(before, got))
		}
	}
	if _, err := b.set.UpdateApp(t.Context(), replica.UpdateRequest{Context: c.Context, App: next, Executor: d.Member}); err == nil || !strings.Contains(err.Error(), "creator") {
		t.Errorf("by another member: %v", err)
	}
	a.did(c, "open 0 m 2 0\nput 1 k still")
}
