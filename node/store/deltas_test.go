package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

// envelope has the outer form of a delta's: a header of a size, one signature, a
// body.
func envelope(header, body int, seed uint64) []byte {
	bstr := func(b, data []byte) []byte {
		switch n := len(data); {
		case n < 24:
			b = append(b, 0x40+byte(n))
		case n < 256:
			b = append(b, 0x58, byte(n))
		default:
			b = append(b, 0x59, byte(n>>8), byte(n))
		}
		return append(b, data...)
	}
	b := bstr([]byte{0x83}, pattern(header, seed))
	b = bstr(append(b, 0x81), pattern(64, seed+1))
	return binary.BigEndian.AppendUint32(append(bstr(b, nil), 0x5a), uint32(body)) // then the body
}

// envelopes are deltas of all the forms that matter to how they are kept.
func envelopes() [][]byte {
	var out [][]byte
	for i, size := range []int{0, 8, 16, 24, 232, 248, 256, 2000, 2048, 2056, 40_000} {
		for _, body := range []int{0, 3000, 100_000} {
			out = append(out, append(envelope(size, body, uint64(i)), pattern(body, 9)...))
		}
	}
	return append(out, []byte{}, []byte{0x83}, []byte{0x83, 0x58, 0xff, 1}, []byte{0x83, 0x59, 0xff, 0xff, 1}, []byte{0x83, 0x40, 1, 2},
		[]byte{0x82, 0x41, 1, 2, 3}, []byte{0x83, 0x5a, 0, 0, 0, 1, 1}, pattern(40_000, 3))
}

func commitEnvelopes(t *testing.T, s *store.Store, r *replica, all [][]byte) []store.DeltaRecord {
	t.Helper()
	var want []store.DeltaRecord
	for i, raw := range all {
		fate := store.Fate(1 + i%3)
		want = append(want, store.DeltaRecord{
			ID: deltaID(r.id, uint64(i+1)), Time: delta.Time(uint64(i+1) * delta.Tick), Bytes: raw, Fate: fate, Reason: fate.String(),
		})
	}
	st := r.step(0)
	st.Deltas = want
	must(t, s.Commit(t.Context(), st))
	r.rec = *st.Context
	return want
}

func collect(t *testing.T, all iter.Seq2[store.DeltaRecord, error]) (out []store.DeltaRecord) {
	t.Helper()
	for d, err := range all {
		must(t, err)
		out = append(out, d)
	}
	return out
}

// sameBytes spares cmp from looking at every byte.
var sameBytes = cmp.Comparer(bytes.Equal)

// checkDeltas compares all ways of reading deltas.
func checkDeltas(t *testing.T, s *store.Store, id ident.ContextID, want []store.DeltaRecord) {
	t.Helper()
	v, err := s.View(id)
	must(t, err)
	defer v.Close()
	if d := cmp.Diff(want, collect(t, v.DeltasByTime(0)), sameBytes); d != "" {
		t.Fatalf("DeltasByTime (-want +got):\n%s", d)
	}
	fates, headers := collect(t, v.Fates(0)), collect(t, v.Headers(0))
	if len(fates) != len(want) || len(headers) != len(want) {
		t.Fatalf("%d fates and %d headers, want %d", len(fates), len(headers), len(want))
	}
	for i, w := range want {
		got, err := v.Delta(w.ID)
		must(t, err)
		if d := cmp.Diff(w, got, sameBytes); d != "" {
			t.Fatalf("Delta (-want +got):\n%s", d)
		}
		if !bytes.HasPrefix(w.Bytes, headers[i].Bytes) {
			t.Fatalf("header %d is not the beginning of its delta", i)
		}
		bare := w
		bare.Bytes = nil
		headers[i].Bytes = nil
		if d := cmp.Diff([]store.DeltaRecord{bare, bare}, []store.DeltaRecord{fates[i], headers[i]}); d != "" {
			t.Fatalf("Fates and Headers (-want +got):\n%s", d)
		}
	}
	if len(want) > 5 {
		from := collect(t, v.Fates(want[5].Time))
		if len(from) != len(want)-5 || from[0].ID != want[5].ID {
			t.Errorf("from the sixth on there are %d", len(from))
		}
	}
}

func TestDeltaForms(t *testing.T) {
	for name, tc := range map[string]struct{ batch int }{"one transaction": {1 << 20}, "large": {100 << 10}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(fastDir(t), "db")
			s := open(t, dir, noSync())
			s.SetLimits(tc.batch, 1000)
			r := newReplica(t, s, 1)
			want := commitEnvelopes(t, s, r, envelopes())
			checkDeltas(t, s, r.id, want)
			// Other fates, some with the same bytes again, some without any.
			st := r.step(0)
			st.Deltas = nil
			for i := range want {
				d := &want[i]
				d.Fate, d.Reason = store.FateVoid, string(bytes.Repeat([]byte{'r'}, i*store.MaxName/len(want)))
				again := *d
				if i%4 != 0 {
					again.Bytes = nil
				}
				st.Deltas = append(st.Deltas, again)
			}
			must(t, s.Commit(t.Context(), st))
			checkDeltas(t, s, r.id, want)
			records, err := s.Records()
			must(t, err)
			if n := records[store.TableFate]; n != len(want) {
				t.Errorf("%d records of %d fates: a shorter one would leave pages behind", n, len(want))
			}
			r.rec = *st.Context
			want = dropDeltas(t, s, r, want)
			checkDeltas(t, s, r.id, want)
			must(t, s.Close())
			checkDeltas(t, open(t, dir, noSync()), r.id, want)
		})
	}
}

// dropDeltas drops every third delta and one that is not there. Where steps are
// large, this one is made large by a value beside.
func dropDeltas(t *testing.T, s *store.Store, r *replica, all []store.DeltaRecord) (left []store.DeltaRecord) {
	t.Helper()
	st := r.step(0, r.set("beside", pattern(200_000, 1)))
	st.Deltas = nil
	st.DeltaDrop = []delta.Place{{Time: 3, ID: deltaID(r.id, 9999)}}
	for i, d := range all {
		if i%3 == 0 {
			st.DeltaDrop = append(st.DeltaDrop, delta.Place{Time: d.Time, ID: d.ID})
			continue
		}
		left = append(left, d)
	}
	must(t, s.Commit(t.Context(), st))
	r.rec = *st.Context
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()
	if _, err := v.Delta(all[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a dropped delta: %v", err)
	}
	return left
}

// TestHeadersOfRealDeltas: what Headers yields of a delta ends with its header.
func TestHeadersOfRealDeltas(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	author := ident.NewPrivateKey()
	var want []store.DeltaRecord
	for i, payload := range []int{0, 100, 50_000} {
		h := delta.Header{
			Context: r.id, Kind: delta.KindState, Parents: []delta.ID{{1}, {2}}, Author: author.Public(),
			Incarnation: delta.NewIncarnation(), Seq: 1, Time: delta.Time(uint64(i+1) * delta.Tick),
		}
		d, err := delta.Seal(h, pattern(payload, 1), delta.NewEpochKey(), nil, author, nil)
		must(t, err)
		want = append(want, store.DeltaRecord{ID: d.ID(), Time: d.Place().Time, Bytes: d.Bytes(), Fate: store.FateFolded})
	}
	st := r.step(0)
	st.Deltas = want
	must(t, s.Commit(t.Context(), st))
	checkDeltas(t, s, r.id, want)
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()
	for i, got := range collect(t, v.Headers(0)) {
		if n := len(got.Bytes); n < 200 || n > 320 {
			t.Errorf("delta %d of %d bytes: %d bytes for its header", i, len(want[i].Bytes), n)
		}
	}
}

// TestDeltasOfOlderStores: a fate that an older release wrote is read, and changed.
func TestDeltasOfOlderStores(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	want := commitEnvelopes(t, s, r, envelopes()[:20])
	must(t, s.WriteOldDeltas(t.Context(), r.id, want[:10]))
	checkDeltas(t, s, r.id, want)
	st := r.step(0)
	st.Deltas = nil
	for i := range want {
		want[i].Fate, want[i].Reason = store.FateVoid, "why"
		d := want[i]
		d.Bytes = nil
		st.Deltas = append(st.Deltas, d)
	}
	must(t, s.Commit(t.Context(), st))
	checkDeltas(t, s, r.id, want)
}
