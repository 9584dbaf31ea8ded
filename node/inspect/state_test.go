package inspect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/inspect"
	"mero/node/replica"
	"mero/node/vm/apptest"
)

// installCollections installs the collections application; more makes other code of
// it that does the same.
func (h *home) installCollections(more ...byte) ident.AppID {
	h.t.Helper()
	wasm := bytes.Clone(apptest.Build(h.t, "collections"))
	if len(more) > 0 {
		wasm = append(wasm, 0, 3, 1, 'x', more[0])
	}
	app, err := h.apps.Install(h.t.Context(), bytes.NewReader(wasm), apps.Source{})
	must(h.t, err)
	return app.ID
}

func (h *home) createCollections() replica.Created {
	h.t.Helper()
	made, err := h.set.Create(h.t.Context(), replica.CreateRequest{App: h.installCollections()})
	must(h.t, err)
	return made
}

// do runs lines of the collections application.
func (h *home) do(c replica.Created, lines ...string) delta.ID {
	h.t.Helper()
	res, err := h.set.Execute(h.t.Context(), replica.Request{
		Context: c.Context, Method: "do", Input: []byte(strings.Join(lines, "\n")), Executor: c.Member,
	})
	must(h.t, err)
	return res.Delta
}

func (h *home) state(c replica.Created, q api.StateQuery) api.StatePage {
	h.t.Helper()
	page, err := h.in.State(h.t.Context(), c.Context, q)
	must(h.t, err)
	return page
}

// drawn is a node as lines: what it is, and which delta wrote it.
func drawn(n api.StateNode, deltas map[api.Hash]string) string {
	var b strings.Builder
	draw(&b, "", n, deltas)
	return strings.TrimSpace(b.String())
}

func draw(b *strings.Builder, indent string, n api.StateNode, deltas map[api.Hash]string) {
	fmt.Fprintf(b, "%s%s %s", indent, n.Key, n.Kind)
	if n.Once {
		b.WriteString(" once")
	}
	if n.Length != nil {
		fmt.Fprintf(b, " %d", *n.Length)
	}
	if n.Value != nil {
		fmt.Fprintf(b, " %s%s%s", n.Value.JSON, n.Value.Text, []byte(n.Value.Bytes))
	}
	if n.Text != nil {
		fmt.Fprintf(b, " %q", *n.Text)
	}
	for word, w := range map[string]*api.StateWrite{"written": n.Written} {
		if w != nil {
			fmt.Fprintf(b, " %s %s", word, deltas[*w.ID])
		}
	}
	if n.Made != nil {
		fmt.Fprintf(b, " made %s", deltas[*n.Made.ID])
	}
	if n.Cut {
		b.WriteString(" cut")
	}
	if n.More {
		fmt.Fprintf(b, " next %s", n.Next)
	}
	b.WriteString("\n")
	for _, e := range n.Entries {
		draw(b, indent+"  ", e, deltas)
	}
}

// TestState: collections of each kind with what is in them, who wrote it, and how
// it was.
func TestState(t *testing.T) {
	h := newHome(t)
	c := h.createCollections()
	deltas := map[api.Hash]string{}
	did := func(name string, lines ...string) delta.ID {
		id := h.do(c, lines...)
		deltas[api.Hash(id)] = name
		return id
	}
	first := did("a", "open 0 m 2 0", "put 1 k {\"x\":1}", "put 1 plain words", "open 0 c 4 0", "increase 2 -7")
	second := did("b", "open 0 m 2 0", "put 1 k 2", "open 1 in 2 1", "put 2 deep 0", "open 0 s 3 0", "add 3 e", "open 0 r 1 1", "put 4 - 1")
	did("c", "open 0 l 5 0", "insert_at 1 0 one", "insert_open 1 1 6 0", "text_insert 2 0 hällo", "insert_at 1 2 three")
	did("d", "open 0 l 5 0", "put_at 1 0 ONE", "remove_at 1 2 1")
	last := did("e", "open 0 c 4 0", "increase 1 10")

	page := h.state(c, api.StateQuery{})
	want := strings.TrimSpace(`
root 6
  c counter 3 written e made a
  l list 2 written d made c
    0 value ONE written d
    1 text 5 "hällo" written c made c
  m map 3 made a
    in map once 1 made b
      deep value 0 written b
    k value 2 written b
    plain value words written a
  r register once 1 written b made b
  s set 1 made b
    e value written b`)
	if got := drawn(page.State, deltas); got != strings.Replace(want, "root 6", "root 5", 1) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	info, err := h.set.Get(c.Context)
	must(t, err)
	if page.ContextID != c.Context || page.ApplicationID != info.App || page.RootHash != api.Hash(info.Root) || !page.HostManaged ||
		len(page.Path) != 0 || page.AsOf == nil || page.AsOf.ID != api.Hash(last) {
		t.Errorf("got %+v", page)
	}
	wrote := page.State.Entries[0].Written
	if wrote.Author == nil || *wrote.Author != c.Member || !wrote.Time.Equal(page.AsOf.Time) {
		t.Errorf("who wrote: %+v", wrote)
	}
	for path, want := range map[string]string{
		"m/in":      "map once 1 made b\n  deep value 0 written b",
		"m/in/deep": "value 0 written b",
		"l/1":       `text 5 "hällo" written c made c`,
		"l/0":       "value ONE written d",
		"s/e":       "value written b",
		"hex:6d/k":  "value 2 written b",
	} {
		if got := drawn(h.state(c, api.StateQuery{Path: strings.Split(path, "/")}).State, deltas); strings.TrimSpace(got) != want && path != "s/e" {
			t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
		}
	}

	// As it was.
	at := api.Hash(first)
	past := h.state(c, api.StateQuery{At: &at})
	if got := drawn(past.State, deltas); got != "root 2\n  c counter -7 written a made a\n  m map 2 made a\n    k value {\"x\":1} written a\n    plain value words written a" {
		t.Errorf("after the first:\n%s", got)
	}
	if past.AsOf.ID != at || past.RootHash == page.RootHash {
		t.Errorf("after the first: %+v", past)
	}
	rows := h.all(c.Context, api.DagQuery{}, 10)
	moment := row(t, rows, second).Time
	if got := h.state(c, api.StateQuery{Time: moment}); got.AsOf.ID != api.Hash(second) || got.State.Entries[0].Written.ID == nil {
		t.Errorf("at the time of the second: %+v", got.AsOf)
	}
	if got := h.state(c, api.StateQuery{Time: moment.Add(-time.Nanosecond)}); got.AsOf.ID != at {
		t.Errorf("before the second: %+v", got.AsOf)
	}
	if got := h.state(c, api.StateQuery{Time: time.Now().Add(time.Hour)}); !cmp.Equal(got, page) {
		t.Errorf("in an hour: %s", cmp.Diff(page, got))
	}
	genesis := rows[len(rows)-1].ID
	if got := h.state(c, api.StateQuery{At: &genesis}); got.AsOf.ID != genesis || len(got.State.Entries) != 0 || !got.HostManaged {
		t.Errorf("at genesis: %+v", got)
	}
}

// TestStateErrors: what a path and a place may not be.
func TestStateErrors(t *testing.T) {
	h := newHome(t)
	c := h.createCollections()
	h.do(c, "open 0 m 2 0", "put 1 k 1", "open 0 l 5 0", "insert_at 2 0 a", "open 0 t 6 0", "text_insert 3 0 text", "open 0 r 1 0", "put 4 - v")
	kv := h.create()
	h.put(kv, "a", "1")
	unknown := api.Hash{1}
	for _, row := range []struct {
		q    api.StateQuery
		kv   bool
		is   error
		text string
	}{
		{q: api.StateQuery{Path: []string{"none"}}, is: inspect.ErrStateNotFound, text: `no "none" in the state`},
		{q: api.StateQuery{Path: []string{"m", "none"}}, is: inspect.ErrStateNotFound, text: `no "none" in ["m"], a map`},
		{q: api.StateQuery{Path: []string{"m", "k", "x"}}, is: inspect.ErrStateNotFound},
		{q: api.StateQuery{Path: []string{"l", "1"}}, is: inspect.ErrStateNotFound},
		{q: api.StateQuery{Path: []string{"l", "9223372036854775807"}}, is: inspect.ErrPath},
		{q: api.StateQuery{Path: []string{"l", "-1"}}, is: inspect.ErrPath, text: "no index"},
		{q: api.StateQuery{Path: []string{"l", "first"}}, is: inspect.ErrPath, text: "no index"},
		{q: api.StateQuery{Path: []string{""}}, is: inspect.ErrPath},
		{q: api.StateQuery{Path: []string{strings.Repeat("n", 65)}}, is: inspect.ErrPath, text: "64 bytes"},
		{q: api.StateQuery{Path: []string{"m", strings.Repeat("n", 481)}}, is: inspect.ErrPath, text: "480 bytes"},
		{q: api.StateQuery{Path: []string{"m", "hex:abc"}}, is: inspect.ErrPath, text: "hexadecimal"},
		{q: api.StateQuery{Path: []string{"r"}, After: "1"}, is: inspect.ErrPath},
		{q: api.StateQuery{Path: []string{"l"}, After: "x"}, is: inspect.ErrPath},
		{q: api.StateQuery{After: "hex:x"}, is: inspect.ErrPath},
		{q: api.StateQuery{At: &unknown}, is: inspect.ErrDeltaNotFound},
		{kv: true, q: api.StateQuery{Path: []string{"none"}}, is: inspect.ErrStateNotFound},
		{kv: true, q: api.StateQuery{Path: []string{"a", "b"}}, is: inspect.ErrPath},
		{kv: true, q: api.StateQuery{Path: []string{"hex:1"}}, is: inspect.ErrPath},
		{kv: true, q: api.StateQuery{After: "hex:1"}, is: inspect.ErrPath},
	} {
		id := c.Context
		if row.kv {
			id = kv.Context
		}
		if _, err := h.in.State(t.Context(), id, row.q); !errors.Is(err, row.is) || !strings.Contains(err.Error(), row.text) {
			t.Errorf("%+v: %v", row.q, err)
		}
	}
	if _, err := h.in.State(t.Context(), ident.ContextID{1}, api.StateQuery{}); !errors.Is(err, inspect.ErrContextNotFound) {
		t.Errorf("unknown context: %v", err)
	}
	_, err := h.in.State(t.Context(), c.Context, api.StateQuery{Time: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)})
	var before *inspect.BeforeError
	if !errors.As(err, &before) || !strings.Contains(err.Error(), "it began at "+before.Began.Format(time.RFC3339Nano)) {
		t.Errorf("before genesis: %v", err)
	}
	rows := h.all(c.Context, api.DagQuery{}, 10)
	began := rows[len(rows)-1].Time
	if !before.Began.Equal(began) || api.Hash(before.Genesis) != rows[len(rows)-1].ID {
		t.Errorf("%+v, want %v", before, began)
	}
}

// TestStatePages: pages go through everything once, whatever their size, and small
// collections are seen beside large ones.
func TestStatePages(t *testing.T) {
	h := newHome(t)
	c := h.createCollections()
	lines := []string{"open 0 m 2 0", "open 0 l 5 0", "open 0 t 6 0", "open 0 z 2 0", "put 4 only 1"}
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("put 1 k%02d %d", i, i), fmt.Sprintf("insert_at 2 %d %d", i, i))
	}
	h.do(c, append(lines, "text_insert 3 0 big:70000", "text_insert 3 70000 x")...)
	for _, size := range []int{1, 7, 39, 40, 41, 1000} {
		for _, name := range []string{"m", "l"} {
			q := api.StateQuery{Path: []string{name}, Limit: size}
			n := 0
			for {
				page := h.state(c, q)
				if *page.State.Length != 40 || len(page.State.Entries) > size {
					t.Fatalf("%s: %d entries of %d on a page of %d", name, len(page.State.Entries), *page.State.Length, size)
				}
				for _, e := range page.State.Entries {
					if key := map[string]string{"m": fmt.Sprintf("k%02d", n), "l": strconv.Itoa(n)}[name]; e.Key != key || string(e.Value.JSON) != strconv.Itoa(n) {
						t.Fatalf("%s: %+v is number %d", name, e, n)
					}
					n++
				}
				if q.After = page.State.Next; !page.State.More {
					break
				}
			}
			if n != 40 {
				t.Errorf("%s in pages of %d: %d entries", name, size, n)
			}
		}
	}
	text := h.state(c, api.StateQuery{Path: []string{"t"}})
	rest := h.state(c, api.StateQuery{Path: []string{"t"}, After: text.State.Next})
	if got := *text.State.Text + *rest.State.Text; len(got) != 70001 || !strings.HasSuffix(got, "bx") || rest.State.More || !text.State.More {
		t.Errorf("a text in pages of %d and %d", len(*text.State.Text), len(*rest.State.Text))
	}
	all := h.state(c, api.StateQuery{Limit: 20}).State
	total := 0
	for _, e := range all.Entries {
		total += 1 + len(e.Entries)
		if e.Kind != api.StateText && len(e.Entries) == 0 || e.Key != "z" && (!e.More || e.Next == "") {
			t.Errorf("%s: %d of %d entries, more: %v", e.Key, len(e.Entries), *e.Length, e.More)
		}
	}
	if total > 20 || total < 15 || all.More {
		t.Errorf("%d entries in all", total)
	}
	for _, e := range h.state(c, api.StateQuery{Limit: 4}).State.Entries {
		if len(e.Entries) != 0 || !e.More && e.Kind != api.StateText {
			t.Errorf("without room: %+v", e)
		}
	}
}

// TestStateLarge: values that are too much for one answer are left out, and had by
// their path.
func TestStateLarge(t *testing.T) {
	h := newHome(t)
	c := h.createCollections()
	for i := range 6 {
		h.do(c, fmt.Sprintf("open 0 r%d 1 0", i), "put 1 - big:1000000", "open 0 m 2 0", fmt.Sprintf("put 2 k%d big:1000000", i))
	}
	page := h.state(c, api.StateQuery{})
	cut := 0
	for _, e := range page.State.Entries {
		if e.Cut {
			cut++
			if got := h.state(c, api.StateQuery{Path: []string{e.Key}}).State; got.Value == nil || got.Value.Size != 1000000 || got.Cut {
				t.Errorf("%s by its path: %+v", e.Key, got.Value)
			}
		}
	}
	doc, err := json.Marshal(page)
	must(t, err)
	if cut == 0 || len(doc) > 8<<20 {
		t.Errorf("%d values cut, %d bytes", cut, len(doc))
	}
	entries, q := 0, api.StateQuery{Path: []string{"m"}}
	for {
		page := h.state(c, q).State
		entries += len(page.Entries)
		if q.After = page.Next; !page.More {
			break
		}
		if len(page.Entries) == 0 {
			t.Fatal("a page of nothing")
		}
	}
	if entries != 6 {
		t.Errorf("%d entries", entries)
	}
}

// TestStateOfKeys: an application that keeps its state itself has keys.
func TestStateOfKeys(t *testing.T) {
	h := newHome(t)
	c := h.create()
	for i := range 50 {
		h.put(c, fmt.Sprintf("k%d", i), "v")
	}
	view, err := h.store.View(c.Context)
	must(t, err)
	defer view.Close()
	for _, size := range []int{1, 16, 17, 1000} {
		q := api.StateQuery{Limit: size}
		found := map[string]bool{}
		for {
			page := h.state(c, q)
			if page.HostManaged || page.State.Kind != api.StateKeys || len(page.State.Entries) > size {
				t.Fatalf("got %+v", page)
			}
			for _, e := range page.State.Entries {
				key, err := api.ParseKeyWord(e.Key)
				must(t, err)
				want, ok, err := view.Get(key)
				must(t, err)
				if !ok || e.Value.Size != len(want) || found[e.Key] {
					t.Errorf("%s: %+v, want %d bytes", e.Key, e.Value, len(want))
				}
				found[e.Key] = true
				if size == 1 {
					if one := h.state(c, api.StateQuery{Path: []string{e.Key}}).State; !cmp.Equal(one.Value, e.Value) {
						t.Errorf("%s by its path: %+v", e.Key, one)
					}
				}
			}
			if q.After = page.State.Next; !page.State.More {
				break
			}
		}
		n := 0
		for _, err := range view.StateAll() {
			must(t, err)
			n++
		}
		if len(found) != n || n < 50 {
			t.Errorf("in pages of %d: %d keys of %d", size, len(found), n)
		}
	}
}

// TestDeltaOfCollections: one delta with its operations, and one that changes the
// application.
func TestDeltaOfCollections(t *testing.T) {
	h := newHome(t)
	c := h.createCollections()
	id := h.do(c, "open 0 m 2 0", "put 1 k v", "open 0 b 7 0", "open 2 "+strings.Repeat("k", 32)+" 4 0", "emit 0 kind data")
	got, err := h.in.Delta(t.Context(), c.Context, api.Hash(id))
	must(t, err)
	want := []api.OperationDetail{
		{Name: "make", Path: []string{"m"}, Kind: "map"},
		{Name: "put", Path: []string{"m"}, Kind: "map", Key: "k", Values: []api.Content{{Size: 1, Text: "v"}}},
	}
	if diff := cmp.Diff(want, got.Payload.Operations.List); diff != "" || got.Payload.Artifact != nil || len(got.Payload.Events) != 1 {
		t.Errorf("%+v\n%s", got.Payload, diff)
	}
	next := h.installCollections(1)
	res, err := h.set.UpdateApp(t.Context(), replica.UpdateRequest{Context: c.Context, App: next, Migrate: "migrate", Executor: c.Member})
	must(t, err)
	got, err = h.in.Delta(t.Context(), c.Context, api.Hash(res.Delta))
	must(t, err)
	if u := got.Payload.Update; u == nil || u.ApplicationID != next || u.MigrateMethod != "migrate" || got.Unopened != "" || got.Kind != "app" {
		t.Errorf("got %+v", got)
	}
	before := api.Hash(id)
	if a, b := h.state(c, api.StateQuery{}), h.state(c, api.StateQuery{At: &before}); a.ApplicationID != next || b.ApplicationID == next {
		t.Errorf("application %s, and %s before the update", a.ApplicationID, b.ApplicationID)
	}
	wrote := h.state(c, api.StateQuery{Path: []string{"m", "migrated"}}).State.Written
	if wrote == nil || wrote.ID == nil || *wrote.ID != api.Hash(res.Delta) || *wrote.Author != c.Member {
		t.Errorf("what the migration wrote: %+v", wrote)
	}
}

// TestWhoWrote: of several who write at the very same time, each is told from the
// others.
func TestWhoWrote(t *testing.T) {
	a, b := newHome(t), newHome(t)
	c := a.createCollections()
	b.installCollections()
	d := b.join(a, c)
	b.receive(d.Context, a.bytes(c.Context)...)
	now := time.Now().Add(time.Second)
	for _, h := range []*home{a, b} {
		h.wall = func() time.Time { return now }
	}
	first := a.do(c, "open 0 m 2 0", "put 1 a 1")
	second := b.do(d, "open 0 m 2 0", "put 1 b 2")
	a.receive(c.Context, b.bytes(d.Context)...)
	page := a.state(c, api.StateQuery{Path: []string{"m"}})
	if len(page.State.Entries) != 2 || !page.State.Entries[0].Written.Time.Equal(page.State.Entries[1].Written.Time) {
		t.Fatalf("not at one time: %+v", page.State.Entries)
	}
	for i, want := range []api.StateWrite{
		{Author: &c.Member, ID: (*api.Hash)(&first), Time: page.AsOf.Time}, {Author: &d.Member, ID: (*api.Hash)(&second), Time: page.AsOf.Time},
	} {
		if diff := cmp.Diff(&want, page.State.Entries[i].Written); diff != "" {
			t.Errorf("entry %d: %s", i, diff)
		}
	}
	earlier := api.Hash(first)
	if delta.ID(page.AsOf.ID) == first {
		earlier = api.Hash(second)
	}
	if past := a.state(c, api.StateQuery{Path: []string{"m"}, At: &earlier}); len(past.State.Entries) != 1 {
		t.Errorf("between the two: %+v", past.State)
	}
}

// FuzzState: any path and word gives a state or an error that is the caller's.
func FuzzState(f *testing.F) {
	h := newHome(f)
	c := h.createCollections()
	h.do(c, "open 0 m 2 0", "put 1 k 1", "open 1 l 5 0", "insert_at 2 0 a", "open 0 b 7 0", "open 0 t 6 0", "text_insert 4 0 text")
	kv := h.create()
	h.put(kv, "a", "1")
	f.Add("m/l/0", "", 1)
	f.Add("m", "hex:00", 1000)
	f.Add("t", "3", -5)
	f.Fuzz(func(t *testing.T, path, after string, limit int) {
		q := api.StateQuery{After: after, Limit: limit % api.MaxStatePage}
		if path != "" {
			q.Path = strings.Split(path, "/")
		}
		for _, id := range []ident.ContextID{c.Context, kv.Context} {
			page, err := h.in.State(t.Context(), id, q)
			if err != nil && !errors.Is(err, inspect.ErrPath) && !errors.Is(err, inspect.ErrStateNotFound) {
				t.Errorf("%q after %q: %v", path, after, err)
			}
			if err == nil && page.State.Kind == "" {
				t.Errorf("%q: %+v", path, page)
			}
		}
	})
}
