package inspect_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"mero/node/api"
	"mero/node/delta"
	"mero/node/replica"
	"mero/node/store/storetest"
)

// damaged is a context with ten deltas, one of which does not have its bytes.
func damaged(t *testing.T, f func([]byte) []byte) (*home, replica.Created, delta.ID) {
	t.Helper()
	h := newHome(t)
	c := h.create()
	var which delta.ID
	for i := range 8 {
		if id := h.put(c, string(rune('a'+i)), "v"); i == 4 {
			which = id
		}
	}
	h.damage(func(dir string) { storetest.ChangeDelta(t, dir, c.Context, which, f) })
	return h, c, which
}

// TestDamagedDelta: one that cannot be read hides no other, and is named.
func TestDamagedDelta(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(raw []byte) []byte {
			raw = bytes.Clone(raw)
			raw[(at+len(raw))%len(raw)] ^= 1
			return raw
		}
	}
	for name, row1 := range map[string]struct {
		f      func([]byte) []byte
		header bool // its header can be read
	}{
		"body":      {flip(-1), true},
		"header":    {flip(20), false},
		"form":      {flip(0), false},
		"nothing":   {func([]byte) []byte { return []byte{} }, false},
		"cut":       {func(raw []byte) []byte { return raw[:len(raw)-5] }, true},
		"signature": {flip(250), true},
	} {
		t.Run(name, func(t *testing.T) {
			h, c, which := damaged(t, row1.f)
			rows := h.all(c.Context, api.DagQuery{}, 3)
			if len(rows) != 10 {
				t.Fatalf("%d rows, want 10", len(rows))
			}
			// A signature is checked for a detail only: Reopen trusts the store.
			for _, r := range rows {
				if (r.Problem != "") != (r.ID == api.Hash(which) && name != "signature") {
					t.Errorf("delta %s: problem %q", r.ID, r.Problem)
				}
			}
			got, err := h.in.Delta(t.Context(), c.Context, api.Hash(which))
			must(t, err)
			if got.Signature == api.SignatureGood || (got.Problem == "" || got.Unopened == "") != (name == "signature") || (got.Seq != 0) != row1.header {
				t.Errorf("detail: %+v", got)
			}
			rep, err := h.in.VerifyContext(t.Context(), c.Context, api.VerifyRequest{Log: true})
			must(t, err)
			if rep.OK || !slices.ContainsFunc(rep.Problems, func(p api.ContextProblem) bool { return p.ID != nil && *p.ID == api.Hash(which) }) {
				t.Errorf("verify: %+v", rep)
			}
		})
	}
}

// TestVerifyRepairs: a state that was changed behind the store's back is found, and
// repaired only when that was asked for.
func TestVerifyRepairs(t *testing.T) {
	h := newHome(t)
	c := h.create()
	h.put(c, "k", "v")
	clean, err := h.in.VerifyContext(t.Context(), c.Context, api.VerifyRequest{Repair: true})
	must(t, err)
	if !clean.OK || clean.Repaired || len(clean.Problems) > 0 || clean.Keys == 0 || clean.Deltas != 3 || len(clean.Heads) != 1 {
		t.Fatalf("clean: %+v", clean)
	}
	view, err := h.store.View(c.Context)
	must(t, err)
	var key []byte
	for kv, err := range view.StateAll() {
		must(t, err)
		key = kv.Key
		break
	}
	view.Close()
	h.damage(func(dir string) { storetest.ChangeValue(t, dir, c.Context, key, []byte("changed")) })
	for _, req := range []api.VerifyRequest{{}, {Log: true}} {
		rep, err := h.in.VerifyContext(t.Context(), c.Context, req)
		must(t, err)
		if rep.OK || rep.Repaired || !slices.ContainsFunc(rep.Problems, func(p api.ContextProblem) bool { return bytes.Equal(p.Key, key) }) {
			t.Errorf("%+v: %+v", req, rep)
		}
	}
	rep, err := h.in.VerifyContext(t.Context(), c.Context, api.VerifyRequest{Repair: true})
	must(t, err)
	if !rep.OK || !rep.Repaired || len(rep.Problems) == 0 || rep.NotRepaired != "" || rep.RootHash != clean.RootHash {
		t.Errorf("repair: %+v", rep)
	}
	again, err := h.in.VerifyContext(t.Context(), c.Context, api.VerifyRequest{Log: true})
	must(t, err)
	if !again.OK || !again.Deep || again.RootHash != clean.RootHash {
		t.Errorf("after the repair: %+v", again)
	}
	rebuilt, err := h.in.RebuildContext(t.Context(), c.Context)
	must(t, err)
	if !rebuilt.OK || !rebuilt.Repaired || rebuilt.RootHash != clean.RootHash || rebuilt.Keys != clean.Keys {
		t.Errorf("rebuilt: %+v", rebuilt)
	}
}

// TestVerifyCannotRepair: without its deltas nobody can fold a state again, and the
// report says why.
func TestVerifyCannotRepair(t *testing.T) {
	h, c, which := damaged(t, func(raw []byte) []byte { return raw[:len(raw)-1] })
	rep, err := h.in.VerifyContext(t.Context(), c.Context, api.VerifyRequest{Repair: true})
	must(t, err)
	if rep.OK || rep.Repaired || !strings.Contains(rep.NotRepaired, which.String()) {
		t.Errorf("got %+v", rep)
	}
}
