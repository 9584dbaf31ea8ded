package inspect_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"mero/node/api"
	"mero/node/artifact"
	"mero/node/delta"
)

// TestActions: what published applications committed is taken apart, unless the
// application of the context has been seen to use a form of its own.
func TestActions(t *testing.T) {
	text, err := os.ReadFile("../artifact/testdata/published.json")
	must(t, err)
	var published []struct{ App, Artifact, Layouts string }
	must(t, json.Unmarshal(text, &published))
	a, b := newHome(t), newHome(t)
	ca := a.create()
	a.put(ca, "k", "v")
	genesis := a.log(ca.Context)[0]
	cb := b.join(a, ca) // without the application: nothing is folded, so nothing is pinned
	w, last, total := a.writer(ca), genesis, 0
	for i, p := range published {
		raw, err := hex.DecodeString(p.Artifact)
		must(t, err)
		last = w.seal(t, uint64(i+1), time.Millisecond, payload(t, delta.State{Artifact: raw}), last)
		for _, h := range []*home{a, b} {
			h.receive(ca.Context, last.Bytes())
		}
		got, err := b.in.Delta(t.Context(), cb.Context, api.Hash(last.ID()))
		must(t, err)
		shape := got.Payload.Artifact
		if layouts := "[" + strings.Join(shape.Layouts, " ") + "]"; layouts != p.Layouts || shape.Size != len(raw) {
			t.Errorf("%s: layouts %s, size %d; want %s, %d", p.App, layouts, shape.Size, p.Layouts, len(raw))
		}
		decoded, err := artifact.Decode(raw, artifact.Layouts(raw)[0])
		must(t, err)
		if len(shape.Actions) != len(decoded.Actions) || shape.More != 0 {
			t.Fatalf("%s: %d actions, want %d", p.App, len(shape.Actions), len(decoded.Actions))
		}
		for j, want := range decoded.Actions {
			got, at := shape.Actions[j], int64(max(want.Created, want.Updated, want.Deleted))
			total++
			if got.Kind != want.Kind.String() || got.ID != api.Hash(want.ID) || got.Type != want.Type || got.Field != want.Field ||
				(got.Parent != nil) != (len(want.Ancestors) > 0) || (got.Data == nil) != (want.Kind == artifact.ActionDelete) ||
				got.Data != nil && got.Data.Size != len(want.Data) || (got.Storage != "") != (want.Storage != nil) ||
				(got.Owner != nil) != (want.Storage != nil && want.Storage.Kind == artifact.StorageUser) ||
				(got.At != nil) != (at > 0) || got.At != nil && got.At.UnixNano() != at {
				t.Errorf("%s, action %d: %+v, want %+v", p.App, j, got, want)
			}
		}
		own, err := a.in.Delta(t.Context(), ca.Context, api.Hash(last.ID()))
		must(t, err)
		if shape := own.Payload.Artifact; len(shape.Layouts)+len(shape.Actions) != 0 || shape.Size != len(raw) {
			t.Errorf("%s, where the application has its own form: %+v", p.App, shape)
		}
	}
	if total == 0 {
		t.Error("no action was compared")
	}
}
