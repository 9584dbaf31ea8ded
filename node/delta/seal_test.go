package delta_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
)

func member(t testing.TB) (ident.PublicKey, ident.SealKey) {
	t.Helper()
	key, err := ident.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	return ident.NewPrivateKey().Public(), key
}

// The largest delta that the limits allow has to fit into an envelope.
func TestLargestDeltaFits(t *testing.T) {
	w := newWorld()
	var wraps []delta.Wrap
	for i := range delta.MaxWraps {
		var m ident.PublicKey
		binary.BigEndian.PutUint32(m[:], uint32(i))
		wraps = append(wraps, delta.Wrap{Member: m, Wrapped: make([]byte, 80)})
	}
	var parents []delta.ID
	for i := range delta.MaxParents {
		var p delta.ID
		binary.BigEndian.PutUint32(p[:], uint32(i))
		parents = append(parents, p)
	}
	for name, s := range map[string]delta.State{"artifact": fullState(), "call": fullCall()} {
		payload, err := delta.EncodeState(s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := delta.Seal(w.header(delta.KindState, 2, parents...), payload, w.epoch, wraps, w.author, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: %d of %d bytes", name, len(d.Bytes()), delta.MaxEnvelope)
		back, err := delta.Open(d.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(back.Wraps()) != delta.MaxWraps || len(back.Header().Parents) != delta.MaxParents {
			t.Errorf("%s: %d wraps, %d parents", name, len(back.Wraps()), len(back.Header().Parents))
		}
	}
}

func TestSealSorts(t *testing.T) {
	w := newWorld()
	a, b, c := delta.ID{1}, delta.ID{2}, delta.ID{3}
	given := []delta.ID{c, a, b}
	wraps := []delta.Wrap{
		{Member: ident.PublicKey{9}, Wrapped: make([]byte, 80)},
		{Member: ident.PublicKey{8}, Wrapped: make([]byte, 80)},
	}
	d, err := delta.Seal(w.header(delta.KindState, 2, given...), nil, w.epoch, wraps, w.author, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]delta.ID{a, b, c}, d.Header().Parents); diff != "" {
		t.Errorf("parents (-want +got):\n%s", diff)
	}
	if d.Wraps()[0].Member != (ident.PublicKey{8}) {
		t.Error("wraps are not sorted")
	}
	if given[0] != c || wraps[0].Member != (ident.PublicKey{9}) {
		t.Error("Seal changed what it was given")
	}
	d.Header().Parents[0] = c
	if d.Header().Parents[0] != a {
		t.Error("the parents of a delta can be changed")
	}
}

func TestSealRefuses(t *testing.T) {
	w := newWorld()
	other := ident.NewPrivateKey()
	for name, row := range map[string]struct {
		change func(h *delta.Header, a *arguments)
		want   error
	}{
		"another author":        {func(h *delta.Header, _ *arguments) { h.Author = other.Public() }, delta.ErrAuthor},
		"no author":             {func(_ *delta.Header, a *arguments) { a.author = ident.PrivateKey{} }, delta.ErrAuthor},
		"duplicate parents":     {func(h *delta.Header, _ *arguments) { h.Parents = []delta.ID{{1}, {1}} }, delta.ErrParents},
		"no parents":            {func(h *delta.Header, _ *arguments) { h.Parents = nil }, delta.ErrParents},
		"too many parents":      {func(h *delta.Header, _ *arguments) { h.Parents = make([]delta.ID, 257) }, delta.ErrTooManyParents},
		"number 0":              {func(h *delta.Header, _ *arguments) { h.Seq = 0 }, delta.ErrSeq},
		"time between ticks":    {func(h *delta.Header, _ *arguments) { h.Time++ }, delta.ErrTime},
		"no kind":               {func(h *delta.Header, _ *arguments) { h.Kind = 0 }, delta.ErrUpgrade},
		"kind of later":         {func(h *delta.Header, _ *arguments) { h.Kind = delta.KindVoid }, delta.ErrUpgrade},
		"context key for state": {func(_ *delta.Header, a *arguments) { a.context = &w.context }, delta.ErrContextKey},
		"genesis without key":   {genesisBy(nil), delta.ErrContextKey},
		"genesis of another":    {genesisBy(&other), delta.ErrContextKey},
		"genesis by no key":     {genesisBy(&ident.PrivateKey{}), delta.ErrContextKey},
		"payload":               {func(_ *delta.Header, a *arguments) { a.payload = make([]byte, delta.MaxEnvelope-200) }, delta.ErrTooLarge},
		"short wrap":            {func(_ *delta.Header, a *arguments) { a.wraps = []delta.Wrap{{Wrapped: make([]byte, 79)}} }, delta.ErrWraps},
		"two wraps for one":     {func(_ *delta.Header, a *arguments) { a.wraps = make80(2) }, delta.ErrWraps},
		"too many wraps":        {func(_ *delta.Header, a *arguments) { a.wraps = make80(1025) }, delta.ErrTooLarge},
	} {
		h, a := w.header(delta.KindState, 2, delta.ID{1}), arguments{author: w.author}
		row.change(&h, &a)
		d, err := delta.Seal(h, a.payload, w.epoch, a.wraps, a.author, a.context)
		if d != nil || !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
	}
}

type arguments struct {
	payload []byte
	wraps   []delta.Wrap
	author  ident.PrivateKey
	context *ident.PrivateKey
}

func genesisBy(key *ident.PrivateKey) func(h *delta.Header, a *arguments) {
	return func(h *delta.Header, a *arguments) {
		h.Kind, h.Seq, h.Parents, a.context = delta.KindGenesis, 1, nil, key
	}
}

func make80(n int) []delta.Wrap {
	wraps := make([]delta.Wrap, n)
	for i := range wraps {
		wraps[i].Wrapped = make([]byte, 80)
	}
	return wraps
}

func TestPayloadKeys(t *testing.T) {
	w := newWorld()
	d := w.state(t, 2, []byte("secret"), delta.ID{1})
	if _, err := d.Payload(delta.NewEpochKey()); !errors.Is(err, delta.ErrWrongEpoch) {
		t.Errorf("another key: got %v, want ErrWrongEpoch", err)
	}
	if bytes.Contains(d.Bytes(), []byte("secret")) {
		t.Error("the payload can be read in the envelope")
	}
	if a, b := w.state(t, 2, []byte("secret"), delta.ID{1}), d; bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two seals have one nonce")
	}
}

// A sealed payload is bound to its header: what an author takes from another delta
// opens on nobody's side.
func TestPayloadIsBoundToItsHeader(t *testing.T) {
	w := newWorld()
	d := w.state(t, 2, []byte("change"), delta.ID{1})
	f := newForgery()
	f.context, f.author = w.context, w.author
	epoch := w.epoch.ID()
	f.epoch = epoch[:]
	raw := d.Bytes()
	f.sealed = bytes.Clone(raw[len(raw)-(24+len("change")+16):])
	moved, err := delta.Open(f.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := moved.Payload(w.epoch); !errors.Is(err, delta.ErrSealed) {
		t.Errorf("got %q, %v; want ErrSealed", payload, err)
	}
}

func TestEpochKeys(t *testing.T) {
	w := newWorld()
	context := ident.ContextID(w.context.Public())
	alice, aliceKey := member(t)
	bob, bobKey := member(t)
	var wraps []delta.Wrap
	for m, key := range map[ident.PublicKey]ident.SealKey{alice: aliceKey, bob: bobKey} {
		wrap, err := delta.WrapEpoch(context, w.epoch, m, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		wraps = append(wraps, wrap)
	}
	sealed := func(h delta.Header, wraps []delta.Wrap) *delta.Delta {
		d, err := delta.Seal(h, []byte("payload"), w.epoch, wraps, w.author, nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := delta.Open(d.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	header := w.header(delta.KindState, 2, delta.ID{1})
	d := sealed(header, wraps)
	for m, key := range map[ident.PublicKey]ident.SealKey{alice: aliceKey, bob: bobKey} {
		got, err := delta.UnwrapEpoch(d, m, key)
		if err != nil || got != w.epoch {
			t.Errorf("%s: %v", m.Short(), err)
		}
	}
	carol, carolKey := member(t)
	wrong, err := delta.WrapEpoch(context, delta.NewEpochKey(), carol, carolKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := header
	elsewhere.Context = ident.ContextID{7}
	for name, row := range map[string]struct {
		d    *delta.Delta
		who  ident.PublicKey
		key  ident.SealKey
		want error
	}{
		"no wrap":             {d, carol, carolKey, delta.ErrNoWrap},
		"another's wrap":      {d, alice, bobKey, ident.ErrNotForUs},
		"key of another":      {sealed(header, []delta.Wrap{wrong}), carol, carolKey, delta.ErrWrongEpoch},
		"of another context":  {sealed(elsewhere, wraps), alice, aliceKey, ident.ErrNotForUs},
		"no wraps in a delta": {sealed(header, nil), alice, aliceKey, delta.ErrNoWrap},
	} {
		if got, err := delta.UnwrapEpoch(row.d, row.who, row.key); !errors.Is(err, row.want) || got != (delta.EpochKey{}) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, row.want)
		}
	}
}

func TestEpochKeyDoesNotPrint(t *testing.T) {
	key := delta.NewEpochKey()
	hex := fmt.Sprintf("%x", key[:])
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%v", key), fmt.Sprintf("%+v", key), fmt.Sprintf("%#v", key), fmt.Sprintf("%x", key)} {
		if strings.Contains(text, hex) || strings.Contains(text, fmt.Sprintf("%d", key[:])) {
			t.Errorf("prints its secret: %s", text)
		}
	}
}

func TestNextTime(t *testing.T) {
	at := func(ns int64) time.Time { return time.Unix(0, ns) }
	const tick = delta.Tick
	for name, row := range map[string]struct {
		wall    time.Time
		parents []delta.Time
		want    delta.Time
	}{
		"rounded down":           {at(10*tick + 5), nil, 10 * tick},
		"on a tick":              {at(10 * tick), nil, 10 * tick},
		"before 1970":            {at(-5), nil, tick},
		"1970":                   {at(0), nil, tick},
		"long before 1970":       {time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), nil, tick},
		"after 2262":             {time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), nil, delta.MaxTime},
		"no wall clock":          {time.Time{}, []delta.Time{4 * tick}, 5 * tick},
		"parent is earlier":      {at(10 * tick), []delta.Time{9 * tick}, 10 * tick},
		"parent is as late":      {at(10 * tick), []delta.Time{10 * tick}, 11 * tick},
		"greatest parent counts": {at(10 * tick), []delta.Time{12 * tick, 20 * tick, 15 * tick}, 21 * tick},
		"parent at the end":      {at(10 * tick), []delta.Time{delta.MaxTime}, delta.MaxTime},
		"parent out of range":    {at(10 * tick), []delta.Time{1<<64 - 1}, delta.MaxTime},
	} {
		if got := delta.NextTime(row.wall, row.parents...); got != row.want {
			t.Errorf("%s: got %d, want %d", name, got, row.want)
		}
	}
}

func TestGuestTimesStayInTheirTick(t *testing.T) {
	base := delta.Time(5 * delta.Tick)
	for k, want := range map[uint64]uint64{
		0: 5 * delta.Tick, 7: 5*delta.Tick + 7, 65535: 6*delta.Tick - 1, 65536: 6*delta.Tick - 1, 1<<64 - 1: 6*delta.Tick - 1,
	} {
		if got := base.At(k); got != want {
			t.Errorf("At(%d): got %d, want %d", k, got, want)
		}
	}
	wall := time.Date(2026, 7, 1, 12, 0, 0, 123456789, time.UTC)
	if got := delta.NextTime(wall).Wall(); wall.Sub(got) < 0 || wall.Sub(got) >= delta.Tick {
		t.Errorf("Wall is %s, the clock was %s", got, wall)
	}
	if got := delta.Time(1<<64 - 1).Wall(); got != delta.MaxTime.Wall() || got.Year() != 2262 {
		t.Errorf("a time out of range is %s", got)
	}
}

func TestWritersAreOrdered(t *testing.T) {
	writers := []delta.Writer{
		{Author: ident.PublicKey{2}, Incarnation: delta.Incarnation{1}},
		{Author: ident.PublicKey{1}, Incarnation: delta.Incarnation{2}},
		{Author: ident.PublicKey{1}, Incarnation: delta.Incarnation{1}},
	}
	slices.SortFunc(writers, delta.Writer.Compare)
	want := []byte{1, 1, 1, 2, 2, 1}
	for i, w := range writers {
		if w.Author[0] != want[2*i] || w.Incarnation[0] != want[2*i+1] {
			t.Errorf("place %d holds %s", i, w)
		}
	}
	one, two := delta.NewIncarnation(), delta.NewIncarnation()
	key, other := delta.NewEpochKey(), delta.NewEpochKey()
	if one == two || key == other {
		t.Error("drawn twice the same")
	}
}

func TestNames(t *testing.T) {
	for kind, want := range map[delta.Kind]string{0: "kind 0", 1: "genesis", 2: "state", 6: "checkpoint", 7: "kind 7", 255: "kind 255"} {
		if got := kind.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	id := delta.ID{1, 2, 3}
	if back, err := delta.ParseID(id.String()); err != nil || back != id {
		t.Errorf("ParseID: %s, %v", back, err)
	}
	if back, err := delta.ParseEpochID(id.String()); err != nil || back != delta.EpochID(id) {
		t.Errorf("ParseEpochID: %s, %v", back, err)
	}
	if _, err := delta.ParseID("0"); !errors.Is(err, ident.ErrMalformed) || !strings.HasPrefix(err.Error(), "delta id") {
		t.Errorf("ParseID of nothing: %v", err)
	}
}

func BenchmarkSeal(b *testing.B) {
	w := newWorld()
	payload := make([]byte, 2000)
	for b.Loop() {
		w.state(b, 2, payload, delta.ID{1})
	}
}

func BenchmarkOpen(b *testing.B) {
	w := newWorld()
	raw := w.state(b, 2, make([]byte, 2000), delta.ID{1}).Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := delta.Open(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	w := newWorld()
	raw := w.state(b, 2, make([]byte, 2000), delta.ID{1}).Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := delta.Inspect(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeState(b *testing.B) {
	raw, err := delta.EncodeState(delta.State{Artifact: make([]byte, 2000), GuestRoot: [32]byte{1}, Events: []delta.Event{{Kind: "k", Data: []byte("data")}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := delta.DecodeState(raw); err != nil {
			b.Fatal(err)
		}
	}
}
