package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/auth"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/root"
	"mero/node/store"
)

// reopened runs f on the store and again after it was opened anew.
func reopened(t *testing.T, fill, look func(t *testing.T, s *store.Store)) {
	t.Helper()
	dir := filepath.Join(fastDir(t), "db")
	s := open(t, dir, noSync())
	fill(t, s)
	look(t, s)
	must(t, s.Close())
	look(t, open(t, dir, noSync()))
}

func TestApps(t *testing.T) {
	app := store.App{
		ID: ident.AppID{2}, Blob: [32]byte{3}, Size: 4, Source: "https://x/y.wasm", Metadata: []byte{1, 2},
		Package: "p", Version: "1.0", Installed: time.Unix(5, 6).UTC(), Writers: []string{"set"},
	}
	other := store.App{ID: ident.AppID{1}}
	reopened(t, func(t *testing.T, s *store.Store) {
		must(t, s.PutApp(t.Context(), app))
		must(t, s.PutApp(t.Context(), other))
		must(t, s.PutApp(t.Context(), store.App{ID: ident.AppID{3}, Writers: []string{"x"}}))
		must(t, s.DeleteApp(t.Context(), ident.AppID{3}))
		must(t, s.Commit(t.Context(), &store.Step{Writers: []store.Writer{{App: app.ID, Method: "add"}, {App: app.ID, Method: "set"}}}))
	}, func(t *testing.T, s *store.Store) {
		want := app
		want.Writers = []string{"add", "set"}
		got, err := s.App(app.ID)
		must(t, err)
		if d := cmp.Diff(got, want); d != "" {
			t.Error(d)
		}
		all, err := s.Apps()
		must(t, err)
		if d := cmp.Diff(all, []store.App{other, want}); d != "" {
			t.Error(d)
		}
		if _, err := s.App(ident.AppID{3}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if err := s.DeleteApp(t.Context(), ident.AppID{3}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if records := contents(t, s); records[store.TableApp] != 2 || records[store.TableApp+1] != 2 {
			t.Errorf("records %v", records)
		}
	})
	s := newStore(t)
	if err := s.PutApp(t.Context(), store.App{Metadata: make([]byte, store.MaxMetadata+1)}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestAliases(t *testing.T) {
	scope := ident.ContextID{7}
	reopened(t, func(t *testing.T, s *store.Store) {
		for _, name := range []string{"b", "a", "a\x00b", "gone"} {
			must(t, s.SetAlias(t.Context(), store.AliasContext, scope, name, [32]byte{name[0]}))
		}
		must(t, s.SetAlias(t.Context(), store.AliasContext, ident.ContextID{}, "a", [32]byte{9}))
		must(t, s.SetAlias(t.Context(), store.AliasIdentity, scope, "a", [32]byte{8}))
		must(t, s.DeleteAlias(t.Context(), store.AliasContext, scope, "gone"))
	}, func(t *testing.T, s *store.Store) {
		all, err := s.Aliases(store.AliasContext, scope)
		must(t, err)
		var names []string
		for _, a := range all {
			names = append(names, a.Name)
			if a.Target != [32]byte{a.Name[0]} || a.Scope != scope || a.Kind != store.AliasContext {
				t.Errorf("got %+v", a)
			}
		}
		if d := cmp.Diff(names, []string{"a", "a\x00b", "b"}); d != "" {
			t.Error(d)
		}
		if err := s.SetAlias(t.Context(), store.AliasContext, scope, "a", [32]byte{1}); !errors.Is(err, store.ErrExists) {
			t.Errorf("got %v, want ErrExists", err)
		}
		must(t, s.SetAlias(t.Context(), store.AliasContext, scope, "a", [32]byte{'a'}))
		if _, err := s.Alias(store.AliasContext, scope, "gone"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if err := s.DeleteAlias(t.Context(), store.AliasContext, scope, "gone"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if got, err := s.Alias(store.AliasIdentity, scope, "a"); err != nil || got != [32]byte{8} {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestIdentities(t *testing.T) {
	free, err := store.NewIdentity(time.Unix(1, 0))
	must(t, err)
	bound, err := store.NewIdentity(time.Unix(2, 0))
	must(t, err)
	reopened(t, func(t *testing.T, s *store.Store) {
		r := newReplica(t, s, 1)
		must(t, s.PutIdentity(t.Context(), free))
		must(t, s.PutIdentity(t.Context(), bound))
		bound.Context, bound.Seq = r.id, 4
		must(t, s.Commit(t.Context(), &store.Step{Identities: []store.Identity{bound}}))
	}, func(t *testing.T, s *store.Store) {
		got, err := s.Identities(ident.ContextID{})
		must(t, err)
		if d := cmp.Diff(got, []store.Identity{free}); d != "" {
			t.Error(d)
		}
		v, err := s.View(contextID(1))
		must(t, err)
		defer v.Close()
		got, err = v.Identities()
		must(t, err)
		if d := cmp.Diff(got, []store.Identity{bound}); d != "" {
			t.Error(d)
		}
		if got[0].Public() != got[0].PrivateKey().Public() || got[0].Public() != bound.Public() {
			t.Error("the public key is another one")
		}
	})
	for _, text := range []string{fmt.Sprint(free), fmt.Sprintf("%+v", free), fmt.Sprintf("%#v", free)} {
		if bytes.Contains([]byte(text), fmt.Appendf(nil, "%x", free.Key[:])) || bytes.Contains([]byte(text), fmt.Appendf(nil, "%d", free.Key[0:4])) {
			t.Errorf("prints its secret: %s", text)
		}
	}
}

func TestContextRecord(t *testing.T) {
	key := delta.NewEpochKey()
	want := store.Context{
		ID: contextID(1), App: ident.AppID{1}, Created: time.Unix(1, 2).UTC(), Genesis: delta.ID{2},
		Heads: []delta.ID{{3}, {4}}, Clock: 5, Sum: root.Sum{6}, Root: [32]byte{7}, GuestRoot: [32]byte{8},
		Epoch: key.ID(), Deltas: 9, StateBytes: 10, StateQuota: 11, Initialised: true, Step: 0,
	}
	rec := want
	want.Step = 1
	reopened(t, func(t *testing.T, s *store.Store) {
		must(t, s.Commit(t.Context(), &store.Step{
			Context: &rec, Create: true, EpochKeys: []store.EpochKey{{Context: rec.ID, Key: key}},
		}))
		if rec.Step != 1 {
			t.Errorf("step %d after the first commit", rec.Step)
		}
	}, func(t *testing.T, s *store.Store) {
		all, err := s.Contexts()
		must(t, err)
		if d := cmp.Diff(all, []store.Context{want}); d != "" {
			t.Error(d)
		}
		v, err := s.View(want.ID)
		must(t, err)
		defer v.Close()
		if d := cmp.Diff(v.Context(), want); d != "" {
			t.Error(d)
		}
		if got, err := v.EpochKey(key.ID()); err != nil || got != key {
			t.Errorf("epoch key: %v", err)
		}
		if _, err := v.EpochKey(delta.EpochID{1}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTokens(t *testing.T) {
	want := auth.Key{ID: "ab", Name: "n", Scopes: []string{"admin"}, Parent: "cd", Created: time.Unix(1, 0).UTC(), Expires: time.Unix(2, 0).UTC()}
	revoked := auth.Key{ID: "cd", Revoked: time.Unix(3, 0).UTC()}
	reopened(t, func(t *testing.T, s *store.Store) {
		for _, k := range []auth.Key{{ID: "cd"}, want, revoked, {ID: "ef"}} {
			must(t, s.PutKey(k))
		}
		must(t, s.DeleteKey("ef"))
		must(t, s.DeleteKey("never"))
	}, func(t *testing.T, s *store.Store) {
		got, ok, err := s.Key("ab")
		must(t, err)
		if d := cmp.Diff(got, want); d != "" || !ok {
			t.Error(d, ok)
		}
		if _, ok, err := s.Key("ef"); ok || err != nil {
			t.Errorf("deleted key: %v, %v", ok, err)
		}
		all, err := s.Keys()
		must(t, err)
		if d := cmp.Diff(all, []auth.Key{want, revoked}); d != "" {
			t.Error(d)
		}
	})
}

func TestXCallsKeepTheirOrder(t *testing.T) {
	n := 0
	reopened(t, func(t *testing.T, s *store.Store) {
		for range 300 {
			st := &store.Step{XCallsAdd: []store.XCall{{Source: contextID(1), Target: contextID(2), Function: fmt.Sprint(n), Params: []byte{1}, Depth: 2}}}
			must(t, s.Commit(t.Context(), st))
			n++
		}
	}, func(t *testing.T, s *store.Store) {
		if got := queueLength(t, s); got != n {
			t.Fatalf("%d queued, want %d", got, n)
		}
		queue, err := s.XCalls(1)
		must(t, err)
		x := queue[0]
		if x.Source != contextID(1) || x.Target != contextID(2) || x.Depth != 2 || len(x.Params) != 1 {
			t.Errorf("got %+v", x)
		}
		// Numbers are not used again, even when the queue was empty at a restart.
		st := &store.Step{XCallsAdd: []store.XCall{{Function: fmt.Sprint(n)}}}
		must(t, s.Commit(t.Context(), st))
		n++
		all, err := s.XCalls(1000)
		must(t, err)
		if all[len(all)-1].Seq != st.XCallsAdd[0].Seq {
			t.Error("the last that was added is not the last of the queue")
		}
	})
}

func TestSchema(t *testing.T) {
	dir := filepath.Join(fastDir(t), "db")
	s := open(t, dir, noSync())
	r := newReplica(t, s, 1)
	must(t, s.Close())

	t.Run("newer", func(t *testing.T) {
		_, err := store.OpenSchema(dir, noSync(), quiet(), store.SchemaVersion-1, nil)
		var schema *store.SchemaError
		if !errors.As(err, &schema) || schema.Found != store.SchemaVersion || schema.Supported != store.SchemaVersion-1 {
			t.Errorf("got %v, want SchemaError", err)
		}
	})
	t.Run("older without a way", func(t *testing.T) {
		if _, err := store.OpenSchema(dir, noSync(), quiet(), store.SchemaVersion+1, nil); err == nil {
			t.Error("opened")
		}
	})
	broken := errors.New("stopped half way")
	t.Run("older", func(t *testing.T) {
		var ran []int
		fail := true
		migrations := map[uint32]func(*store.Store) error{
			store.SchemaVersion: func(*store.Store) error { ran = append(ran, 1); return nil },
			store.SchemaVersion + 1: func(s *store.Store) error {
				ran = append(ran, 2)
				if fail {
					return broken
				}
				return s.PutApp(t.Context(), store.App{ID: ident.AppID{1}})
			},
		}
		if _, err := store.OpenSchema(dir, noSync(), quiet(), store.SchemaVersion+2, migrations); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		fail = false
		s, err := store.OpenSchema(dir, noSync(), quiet(), store.SchemaVersion+2, migrations)
		must(t, err)
		r.check(t, s)
		must(t, s.Close())
		if d := cmp.Diff(ran, []int{1, 2, 2}); d != "" {
			t.Error(d)
		}
		_, err = store.Open(dir, noSync(), quiet())
		var schema *store.SchemaError
		if !errors.As(err, &schema) {
			t.Errorf("got %v, want SchemaError", err)
		}
	})
}

func TestConfig(t *testing.T) {
	must(t, store.DefaultConfig().Validate())
	if err := (store.Config{Reserve: 1 << 60}).Validate(); err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte("storage.reserve:")) {
		t.Errorf("got %v", err)
	}
}
