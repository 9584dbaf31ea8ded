package inspect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/inspect"
	"mero/node/replica"
)

// two is a context that two nodes wrote to at the same time, on the first of them.
func two(t *testing.T) (*home, replica.Created) {
	t.Helper()
	a, b := newHome(t), newHome(t)
	ca := a.create()
	b.install()
	cb := b.join(a, ca)
	b.receive(cb.Context, a.bytes(ca.Context)...)
	for i := range 6 {
		a.put(ca, fmt.Sprint("a", i), "x")
		b.put(cb, fmt.Sprint("b", i), "x")
		if i == 2 {
			a.receive(ca.Context, b.bytes(cb.Context)...)
			b.receive(cb.Context, a.bytes(ca.Context)...)
		}
	}
	a.receive(ca.Context, b.bytes(cb.Context)...)
	return a, ca
}

// TestGraph compares a listing with the deltas it is of.
func TestGraph(t *testing.T) {
	h, c := two(t)
	log := h.log(c.Context)
	rows := h.all(c.Context, api.DagQuery{}, 1000)
	if len(rows) != len(log) {
		t.Fatalf("%d rows of %d deltas", len(rows), len(log))
	}
	children := make(map[delta.ID]uint32)
	for _, d := range log {
		for _, p := range d.Header().Parents {
			children[p]++
		}
	}
	info, err := h.set.Get(c.Context)
	must(t, err)
	if len(info.Heads) != 2 {
		t.Fatalf("the context has %d heads, the test wants 2", len(info.Heads))
	}
	zero := 0
	for i, d := range log {
		hd := d.Header()
		parents := make([]api.Hash, 0, len(hd.Parents))
		for _, p := range hd.Parents {
			parents = append(parents, api.Hash(p))
		}
		want := api.DeltaRow{
			ID: api.Hash(d.ID()), Time: hd.Time.Wall(), Kind: hd.Kind.String(), Author: hd.Author, Incarnation: hd.Incarnation.String(),
			Seq: hd.Seq, Parents: parents, Children: children[d.ID()], Fate: api.FateFolded, Size: len(d.Bytes()),
			Head: slices.Contains(info.Heads, d.ID()), Merge: len(parents) > 1, Events: &zero, Depth: &zero,
		}
		if diff := cmp.Diff(want, rows[len(rows)-1-i]); diff != "" {
			t.Errorf("delta %d of the canonical order (-want +got):\n%s", i, diff)
		}
	}
	if !slices.ContainsFunc(rows, func(r api.DeltaRow) bool { return r.Merge }) {
		t.Error("no delta merges: the test shows nothing of it")
	}
	s := h.dag(c.Context, api.DagQuery{}).Summary
	want := &api.DagSummary{
		RootHash: api.Hash(info.Root), Folded: len(log), WaitsFor: map[string]int{}, Heads: []api.Hash{api.Hash(info.Heads[0]), api.Hash(info.Heads[1])},
		Authors: 2, Writers: 2, ForkList: []api.DagFork{}, Matching: len(log),
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// TestPages: however large the pages are, they are the same listing, and filters
// choose what a walk over all of it does.
func TestPages(t *testing.T) {
	h, c := two(t)
	rows := h.all(c.Context, api.DagQuery{}, 1000)
	for _, size := range []int{1, 2, 3, len(rows) - 1, len(rows), len(rows) + 1} {
		if diff := cmp.Diff(rows, h.all(c.Context, api.DagQuery{}, size)); diff != "" {
			t.Errorf("pages of %d: %s", size, diff)
		}
	}
	author := rows[0].Author
	for name, row := range map[string]struct {
		q    api.DagQuery
		keep func(api.DeltaRow) bool
	}{
		"author":  {api.DagQuery{Author: &author}, func(r api.DeltaRow) bool { return r.Author == author }},
		"nobody":  {api.DagQuery{Author: &ident.PublicKey{1}}, func(api.DeltaRow) bool { return false }},
		"since":   {api.DagQuery{Since: rows[4].Time}, func(r api.DeltaRow) bool { return !r.Time.Before(rows[4].Time) }},
		"until":   {api.DagQuery{Until: rows[4].Time}, func(r api.DeltaRow) bool { return !r.Time.After(rows[4].Time) }},
		"between": {api.DagQuery{Since: rows[6].Time, Until: rows[3].Time}, func(r api.DeltaRow) bool { return !r.Time.Before(rows[6].Time) && !r.Time.After(rows[3].Time) }},
		"before":  {api.DagQuery{Until: time.Unix(-9, 0)}, func(api.DeltaRow) bool { return false }},
		"after":   {api.DagQuery{Since: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, func(api.DeltaRow) bool { return false }},
		"all":     {api.DagQuery{Since: time.Unix(-9, 0), Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, func(api.DeltaRow) bool { return true }},
		"pending": {api.DagQuery{Pending: true}, func(api.DeltaRow) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var want []api.DeltaRow
			for _, r := range rows {
				if row.keep(r) {
					want = append(want, r)
				}
			}
			if diff := cmp.Diff(want, h.all(c.Context, row.q, 2)); diff != "" {
				t.Error(diff)
			}
			if got := h.dag(c.Context, row.q).Summary.Matching; got != len(want) {
				t.Errorf("matching: %d, want %d", got, len(want))
			}
		})
	}
}

// TestPagesStandStill: what arrives during a listing changes neither it nor the
// next one's truth.
func TestPagesStandStill(t *testing.T) {
	h, c := two(t)
	before := h.all(c.Context, api.DagQuery{}, 1000)
	_, key := h.key(c.Context)
	genesis := h.log(c.Context)[0]
	var got []api.DeltaRow
	q := api.DagQuery{Limit: 3}
	for i := 0; ; i++ {
		page := h.dag(c.Context, q)
		got = append(got, page.Deltas...)
		if page.Next == nil {
			break
		}
		q.After = page.Next
		h.put(c, fmt.Sprint("more", i), "y")
		late := newWriter(c.Context, key).seal(t, 1, 0, garbage(t), genesis) // its place is on the last page
		h.receive(c.Context, late.Bytes())
	}
	ids := func(rows []api.DeltaRow) (out []api.Hash) {
		for _, r := range rows {
			out = append(out, r.ID)
		}
		return out
	}
	if diff := cmp.Diff(ids(before), ids(got)); diff != "" {
		t.Error(diff)
	}
	if now := h.all(c.Context, api.DagQuery{}, 1000); len(now) <= len(before) {
		t.Errorf("a new listing has %d deltas, the old one %d", len(now), len(before))
	}
}

// TestFates: each fate with its reason, forks, and what was refused.
func TestFates(t *testing.T) {
	h := newHome(t)
	c := h.create()
	h.put(c, "k", "v")
	log := h.log(c.Context)
	genesis := log[0]
	_, key := h.key(c.Context)

	w := newWriter(c.Context, key)
	void := w.seal(t, 1, time.Second, garbage(t), genesis)
	twin := w.seal(t, 1, 2*time.Second, garbage(t), genesis)
	lost := w.seal(t, 2, time.Second, garbage(t), void) // never arrives
	orphan := w.seal(t, 3, time.Second, garbage(t), lost, twin)
	grandchild := w.seal(t, 4, time.Second, garbage(t), orphan)
	stranger := newWriter(c.Context, delta.NewEpochKey())
	sealed := stranger.seal(t, 1, time.Second, garbage(t), genesis)
	ahead := newWriter(c.Context, key).seal(t, 1, time.Hour, garbage(t), genesis)
	gap := newWriter(c.Context, key).seal(t, 7, time.Second, garbage(t), genesis)
	for _, d := range []*delta.Delta{void, twin, orphan, grandchild, sealed, ahead, gap} {
		h.receive(c.Context, d.Bytes())
	}
	h.receive(c.Context, []byte("noise"))

	rows := h.all(c.Context, api.DagQuery{}, 1000)
	for name, want := range map[string]struct {
		d        *delta.Delta
		fate     string
		waitsFor string
		reason   string
		missing  []api.Hash
		forked   bool
	}{
		"genesis":    {genesis, api.FateFolded, "", "", nil, false},
		"void":       {void, api.FateVoid, "", "", nil, true},
		"twin":       {twin, api.FateVoid, "", "", nil, true},
		"orphan":     {orphan, api.FateWaiting, "parents", "missing", []api.Hash{api.Hash(lost.ID())}, false},
		"grandchild": {grandchild, api.FateWaiting, "parents", "wait", nil, false},
		"sealed":     {sealed, api.FateWaiting, "key", stranger.epoch.ID().String(), nil, false},
		"ahead":      {ahead, api.FateWaiting, "clock", "ahead", nil, false},
	} {
		got := row(t, rows, want.d.ID())
		if got.Fate != want.fate || got.WaitsFor != want.waitsFor || !strings.Contains(got.Reason, want.reason) || got.Forked != want.forked {
			t.Errorf("%s: got %+v", name, got)
		}
		if diff := cmp.Diff(want.missing, got.Missing); diff != "" {
			t.Errorf("%s: missing: %s", name, diff)
		}
		if got.Fate == api.FateVoid && got.Reason == "" {
			t.Errorf("%s is void without a reason", name)
		}
		if waits := got.Fate == api.FateWaiting; waits != (got.Since != nil) || waits && time.Since(*got.Since) > time.Minute {
			t.Errorf("%s: since %v", name, got.Since)
		}
		if strings.Contains(got.Reason, "since") || strings.HasPrefix(got.Reason, "parents:") {
			t.Errorf("%s: the reason %q says again what fields say", name, got.Reason)
		}
		if opened := got.Events != nil; opened == (name == "sealed") {
			t.Errorf("%s: opened is %v", name, opened)
		}
	}
	page := h.dag(c.Context, api.DagQuery{Pending: true})
	if len(page.Deltas) != 4 || page.Summary.Matching != 4 {
		t.Errorf("%d wait, matching %d; want 4", len(page.Deltas), page.Summary.Matching)
	}
	s := page.Summary
	if diff := cmp.Diff(map[string]int{"parents": 2, "key": 1, "clock": 1}, s.WaitsFor); diff != "" {
		t.Error(diff)
	}
	if s.Folded != 3 || s.Void != 2 || s.Waiting != 4 || s.Authors != 4 || s.Writers != 4 || s.Forks != 1 {
		t.Errorf("summary %+v", s)
	}
	wantFork := []api.DagFork{{Author: w.key.Public(), Incarnation: w.inc.String(), Seq: 1, Deltas: []api.Hash{api.Hash(void.ID()), api.Hash(twin.ID())}}}
	if diff := cmp.Diff(wantFork, s.ForkList); diff != "" {
		t.Error(diff)
	}
	if len(page.Refusals) != 2 {
		t.Fatalf("refusals: %+v", page.Refusals)
	}
	for i, want := range []*api.Hash{(*api.Hash)(new(gap.ID())), nil} {
		r := page.Refusals[i]
		if (want == nil) != (r.ID == nil) || want != nil && *want != *r.ID || r.Reason == "" || (r.Author == nil) != (want == nil) {
			t.Errorf("refusal %d: %+v", i, r)
		}
	}
	if len(h.dag(c.Context, api.DagQuery{}).Refusals) > 0 {
		t.Error("refusals without being asked")
	}
}

// TestRandomGraphs compares children, forks and missing parents with a walk over
// the deltas: all of them void, but for those that rest on what never arrives.
func TestRandomGraphs(t *testing.T) {
	a := newHome(t)
	ca := a.create()
	genesis, _ := a.key(ca.Context)
	first, err := delta.Open(genesis)
	must(t, err)
	b := newHome(t)
	b.install()
	for seed := range 20 {
		rng := rand.New(rand.NewPCG(3, uint64(seed)))
		cb := b.join(a, ca)
		var writers []writer
		for range 3 {
			writers = append(writers, a.writer(ca))
		}
		type made struct {
			d   *delta.Delta
			seq uint64
		}
		last := make([][]made, len(writers))
		all := []*delta.Delta{first}
		for range 30 {
			n := rng.IntN(len(writers))
			seq, parents := uint64(1), []*delta.Delta{all[rng.IntN(len(all))]}
			if list := last[n]; len(list) > 0 {
				from := list[len(list)-1]
				if rng.IntN(5) == 0 { // a fork
					from = list[rng.IntN(len(list))]
				}
				seq = from.seq + 1
				parents = []*delta.Delta{from.d}
			}
			d := writers[n].seal(t, seq, time.Duration(rng.IntN(3))*time.Millisecond, garbage(t), parents...)
			last[n] = append(last[n], made{d, seq})
			all = append(all, d)
		}
		for _, i := range rng.Perm(len(all))[:len(all)-3] {
			b.receive(cb.Context, all[i].Bytes())
		}
		stored := b.log(cb.Context)
		children, numbers := make(map[delta.ID]uint32), make(map[string]int)
		here := make(map[delta.ID]bool)
		name := func(d *delta.Delta) string { h := d.Header(); return fmt.Sprint(h.Writer(), h.Seq) }
		for _, d := range stored {
			here[d.ID()] = true
			numbers[name(d)]++
			for _, p := range d.Header().Parents {
				children[p]++
			}
		}
		rows := b.all(cb.Context, api.DagQuery{}, 7)
		if len(rows) != len(stored) {
			t.Fatalf("seed %d: %d rows of %d deltas", seed, len(rows), len(stored))
		}
		for _, d := range stored {
			got := row(t, rows, d.ID())
			var missing []api.Hash
			for _, p := range d.Header().Parents {
				if !here[p] {
					missing = append(missing, api.Hash(p))
				}
			}
			if got.Children != children[d.ID()] || got.Forked != (numbers[name(d)] > 1) || !cmp.Equal(missing, got.Missing) {
				t.Errorf("seed %d: %+v; want %d children, %d of its number, missing %v", seed, got, children[d.ID()], numbers[name(d)], missing)
			}
		}
		_, err := b.set.Delete(t.Context(), cb.Context)
		must(t, err)
	}
}

// TestDetail opens one delta of each sort.
func TestDetail(t *testing.T) {
	h := newHome(t)
	c := h.create()
	committed := h.put(c, "k", "v")
	genesis := h.log(c.Context)[0]
	_, key := h.key(c.Context)
	w := newWriter(c.Context, key)
	talks := w.seal(t, 1, time.Second, payload(t, delta.State{Artifact: []byte("garbage"), GuestRoot: [32]byte{7}, Depth: 2, Events: []delta.Event{
		{Kind: "json", Data: []byte(`{"a": [1]}`), Handler: "on_json"},
		{Kind: "text", Data: []byte("a text\x1b[0m")},
		{Kind: "bytes", Data: []byte{0xff, 1}},
		{Kind: "nothing"},
		{Kind: "bad json", Data: []byte("\"\xff\"")},
	}}), genesis)
	calls := w.seal(t, 2, time.Second, payload(t, delta.State{Call: &delta.Call{Method: "set", Input: []byte(`{"k":1}`)}}), talks)
	sealed := newWriter(c.Context, delta.NewEpochKey()).seal(t, 1, time.Second, garbage(t), genesis)
	odd := newWriter(c.Context, key).seal(t, 1, time.Second, []byte("no payload"), genesis)
	for _, d := range []*delta.Delta{talks, calls, sealed, odd} {
		h.receive(c.Context, d.Bytes())
	}
	get := func(id delta.ID) api.DeltaDetail {
		t.Helper()
		got, err := h.in.Delta(t.Context(), c.Context, api.Hash(id))
		must(t, err)
		if got.Signature != api.SignatureGood || got.ContextID != c.Context || got.Version != 1 || (got.Payload == nil) == (got.Unopened == "") {
			t.Errorf("got %+v", got)
		}
		return got
	}
	root := api.Hash{7}
	if diff := cmp.Diff(&api.DeltaPayload{
		Artifact: &api.ArtifactPayload{Size: 7, Layouts: []string{}}, GuestRoot: &root,
		Events: []api.EventDetail{
			{Kind: "json", Data: api.Content{Size: 10, JSON: json.RawMessage(`{"a": [1]}`)}, Handler: "on_json"},
			{Kind: "text", Data: api.Content{Size: 10, Text: "a text\x1b[0m"}},
			{Kind: "bytes", Data: api.Content{Size: 2, Bytes: api.Bytes{0xff, 1}}},
			{Kind: "nothing"},
			{Kind: "bad json", Data: api.Content{Size: 3, Bytes: []byte("\"\xff\"")}},
		},
	}, get(talks.ID()).Payload); diff != "" {
		t.Error(diff)
	}
	if got := get(talks.ID()); *got.Events != 5 || *got.Depth != 2 || got.Epoch != api.Hash(key.ID()) {
		t.Errorf("got %+v", got)
	}
	if got := get(calls.ID()).Payload; got.Call == nil || got.Call.Method != "set" || string(got.Call.Input.JSON) != `{"k":1}` || got.Artifact != nil {
		t.Errorf("call: %+v", got)
	}
	if got := get(committed); got.Payload.Artifact.Size == 0 || got.Payload.GuestRoot == nil || got.Fate != api.FateFolded || !got.Head == (got.Children == 0) {
		t.Errorf("committed: %+v", got)
	}
	if got := get(sealed.ID()); !strings.Contains(got.Unopened, sealed.Header().Epoch.String()) || got.WaitsFor != "key" {
		t.Errorf("sealed: %+v", got)
	}
	if got := get(odd.ID()); !strings.Contains(got.Unopened, "payload") || got.Fate != api.FateVoid {
		t.Errorf("odd: %+v", got)
	}

	first := get(genesis.ID())
	form, err := genesis.Payload(key)
	must(t, err)
	g, err := delta.DecodeGenesis(form)
	must(t, err)
	if diff := cmp.Diff(&api.GenesisPayload{
		Semantics: g.Semantics, ApplicationID: g.App, Code: api.Hash(g.Code), Package: g.Package, Version: g.Version, StateQuota: g.StateQuota, Rate: g.Rate,
	}, first.Payload.Genesis); diff != "" {
		t.Error(diff)
	}
	if first.Recipients != 1 {
		t.Errorf("keys for %d members", first.Recipients)
	}
	// No form of a secret is in the answer.
	doc, err := json.Marshal(first)
	must(t, err)
	for name, secret := range map[string][32]byte{"topic secret": g.TopicSecret, "epoch key": key, "sealing key": g.SealKey} {
		numbers, err := json.Marshal(api.Bytes(secret[:]))
		must(t, err)
		for _, form := range []string{api.Hash(secret).String(), fmt.Sprintf("%x", secret), strings.Trim(string(numbers), "[]")} {
			if strings.Contains(string(doc), form) {
				t.Errorf("the answer has the %s", name)
			}
		}
	}
}

func TestUnknown(t *testing.T) {
	h := newHome(t)
	c := h.create()
	other := ident.ContextID{1}
	for name, err := range map[string]error{
		"dag":     errorOf(h.in.Dag(t.Context(), other, api.DagQuery{})),
		"delta":   errorOf(h.in.Delta(t.Context(), other, api.Hash{})),
		"verify":  errorOf(h.in.VerifyContext(t.Context(), other, api.VerifyRequest{})),
		"log":     errorOf(h.in.VerifyContext(t.Context(), other, api.VerifyRequest{Log: true, Repair: true})),
		"rebuild": errorOf(h.in.RebuildContext(t.Context(), other)),
	} {
		if !errors.Is(err, inspect.ErrContextNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	after := api.Hash{9}
	for name, err := range map[string]error{
		"delta": errorOf(h.in.Delta(t.Context(), c.Context, after)),
		"after": errorOf(h.in.Dag(t.Context(), c.Context, api.DagQuery{After: &after})),
	} {
		if !errors.Is(err, inspect.ErrDeltaNotFound) || !strings.Contains(err.Error(), after.String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }
