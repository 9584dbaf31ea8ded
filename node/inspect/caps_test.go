package inspect_test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/artifact"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
)

// deletions is an artifact of so many actions.
func deletions(n int) []byte {
	raw := binary.LittleEndian.AppendUint32([]byte{0}, uint32(n)) // actions, and how many they are
	for i := range n {
		raw = append(raw, byte(artifact.ActionDelete))
		raw = binary.BigEndian.AppendUint64(append(raw, make([]byte, 24)...), uint64(i)) // the id
		raw = binary.LittleEndian.AppendUint64(raw, uint64(1+i))                         // the time
	}
	return raw
}

// alone is a context whose application is nowhere, with a writer and the genesis.
func alone(t *testing.T) (*home, writer, *delta.Delta) {
	t.Helper()
	h, contextKey, key := newHome(t), ident.NewPrivateKey(), delta.NewEpochKey()
	w := newWriter(ident.ContextID(contextKey.Public()), key)
	who, err := store.NewIdentity(time.Now())
	must(t, err)
	w.key = who.PrivateKey()
	sealing, err := who.SealKey()
	must(t, err)
	wrap, err := delta.WrapEpoch(w.context, key, who.Public(), sealing.Public())
	must(t, err)
	form, err := delta.EncodeGenesis(delta.Genesis{Semantics: 1, App: ident.AppID{1}, SealKey: sealing.Public(), StateQuota: 1 << 20})
	must(t, err)
	genesis, err := delta.Seal(delta.Header{
		Context: w.context, Kind: delta.KindGenesis, Author: w.key.Public(), Incarnation: w.inc, Seq: 1, Time: delta.NextTime(time.Now()),
	}, form, key, []delta.Wrap{wrap}, w.key, &contextKey)
	must(t, err)
	must(t, h.store.PutIdentity(t.Context(), who))
	_, err = h.set.JoinWith(t.Context(), replica.Admission{Genesis: genesis.Bytes(), Delta: genesis.Bytes()}, who.Public())
	must(t, err)
	return h, w, genesis
}

// TestActionsAreCapped: of an artifact with many actions the first 1 000 are shown,
// and how many more there are.
func TestActionsAreCapped(t *testing.T) {
	h, w, last := alone(t)
	for i, tt := range []struct{ actions, shown, more int }{
		{999, 999, 0}, {1000, 1000, 0}, {1001, 1000, 1}, {5000, 1000, 4000},
	} {
		raw := deletions(tt.actions)
		last = w.seal(t, uint64(i+2), time.Millisecond, payload(t, delta.State{Artifact: raw}), last)
		h.receive(w.context, last.Bytes())
		got, err := h.in.Delta(t.Context(), w.context, api.Hash(last.ID()))
		must(t, err)
		shape := got.Payload.Artifact
		if len(shape.Actions) != tt.shown || shape.Actions[tt.shown-1].ID[31] != byte(tt.shown-1) || shape.More != tt.more || shape.Size != len(raw) {
			t.Errorf("%d actions: %d shown, %d more, %d bytes of %d", tt.actions, len(shape.Actions), shape.More, shape.Size, len(raw))
		}
	}
}

// TestPagesAreCut: a page ends when 32 MiB of deltas are on it, however many were
// asked for; the listing is the same one.
func TestPagesAreCut(t *testing.T) {
	h, w, last := alone(t)
	large := make([]byte, delta.MaxArtifact)
	_, err := rand.Read(large) // the store compresses
	must(t, err)
	form := payload(t, delta.State{Artifact: large})
	want := []api.Hash{api.Hash(last.ID())}
	const n = 9
	for i := range n {
		last = w.seal(t, uint64(i+2), time.Millisecond, form, last)
		h.receive(w.context, last.Bytes())
		want = append([]api.Hash{api.Hash(last.ID())}, want...)
	}
	page := h.dag(w.context, api.DagQuery{Limit: 1000})
	size := 0
	for _, r := range page.Deltas[:len(page.Deltas)-1] {
		size += r.Size
	}
	if all := size + page.Deltas[len(page.Deltas)-1].Size; page.Next == nil || size >= 32<<20 || all < 32<<20 {
		t.Errorf("a page of %d deltas and %d bytes, %d without the last; next %v", len(page.Deltas), all, size, page.Next)
	}
	if page.Summary.Matching != n+1 {
		t.Errorf("%d match", page.Summary.Matching)
	}
	rest := h.dag(w.context, api.DagQuery{After: page.Next, Limit: 1000})
	var got []api.Hash
	for _, r := range append(page.Deltas, rest.Deltas...) {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" || rest.Next != nil {
		t.Errorf("next %v; %s", rest.Next, diff)
	}
}
