package store_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"mero/node/delta"
	"mero/node/store"
)

func TestStepRoundTrip(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	r.commit(t, s, 100, r.set("a", []byte("1")), r.set("b", nil), r.set("empty", []byte{}))
	r.commit(t, s, 100, r.set("a", []byte("2")), r.set("empty", nil))
	r.check(t, s)
}

func TestRefusals(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	r.commit(t, s, 10, r.set("a", []byte("1")))
	stale := r.step(10, r.set("a", []byte("2")))
	stale.Context.Step--
	wrongOld := r.step(10, store.Change{Key: []byte("a"), Old: []byte("12"), HadOld: true, New: []byte("3"), HasNew: true})
	noOld := r.step(10, store.Change{Key: []byte("a"), New: []byte("3"), HasNew: true})
	phantom := r.step(10, store.Change{Key: []byte("zz"), Old: []byte("1"), HadOld: true})
	again := r.step(10)
	again.Create = true
	absent := r.step(10)
	absent.Context.ID = contextID(99)
	longKey := r.step(10, store.Change{Key: make([]byte, store.MaxKey+1), New: []byte("x"), HasNew: true})
	longDelta := r.step(delta.MaxEnvelope + 1)
	orphan := &store.Step{State: []store.Change{r.set("q", []byte("1"))}}
	manyHeads := r.step(10)
	manyHeads.Context.Heads = make([]delta.ID, store.MaxHeads+1)
	noBytes := r.step(10)
	noBytes.Deltas[0].Bytes = nil
	params := &store.Step{XCallsAdd: []store.XCall{{Params: make([]byte, store.MaxXCallParams+1)}}}
	before := s.Transaction()
	for name, tc := range map[string]struct {
		step *store.Step
		want error
	}{
		"older step":         {stale, store.ErrStale},
		"wrong old length":   {wrongOld, store.ErrStale},
		"old not named":      {noOld, store.ErrStale},
		"old that is absent": {phantom, store.ErrStale},
		"create again":       {again, store.ErrExists},
		"no such context":    {absent, store.ErrNotFound},
		"key too long":       {longKey, store.ErrTooLarge},
		"delta too long":     {longDelta, store.ErrTooLarge},
		"no context":         {orphan, store.ErrNotFound},
		"too many heads":     {manyHeads, store.ErrTooLarge},
		"fate of nothing":    {noBytes, store.ErrNotFound},
		"long parameters":    {params, store.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Commit(t.Context(), tc.step); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	if got := s.Transaction(); got != before {
		t.Errorf("refused steps made %d transactions", got-before)
	}
	r.check(t, s)
}

// TestOldBytes: a step whose Old differs from what is stored in a page that it
// rewrites is refused (R9), wherever the page is; others may be anything.
func TestOldBytes(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	value := pattern(100<<10, 1)
	r.commit(t, s, 10, r.set("v", value), r.set("small", []byte("1")))
	sc := newScratch(t, s, r)
	scratched := pattern(100<<10, 2)
	must(t, sc.Put(t.Context(), []store.Change{put("v", scratched)}))
	defer func() { must(t, sc.Discard(t.Context())) }()
	flip := func(b []byte, at ...int) []byte {
		b = bytes.Clone(b)
		for _, i := range at {
			b[i]++
		}
		return b
	}
	for name, tc := range map[string]struct {
		key      string
		old, new []byte
		scratch  *store.Scratch
		refused  bool
	}{
		"small value":                       {"small", []byte("2"), []byte("3"), nil, true},
		"first page, not rewritten":         {"v", flip(value, 0), flip(value, 0, 9000), nil, true},
		"first page, removed":               {"v", flip(value, 0), nil, nil, true},
		"page in the middle":                {"v", flip(value, 9000), flip(value, 9001), nil, true},
		"last page":                         {"v", flip(value, 100<<10-1), append(flip(value), 1), nil, true},
		"page that stays":                   {"v", flip(value, 9000), flip(value, 9000, 50_000), nil, false},
		"page that goes":                    {"v", flip(value, 50_000), value[:9000], nil, false},
		"page in the middle of the scratch": {"v", flip(scratched, 9000), flip(scratched, 9001), sc, true},
		"what is under the scratch":         {"v", value, flip(value, 9001), sc, true},
	} {
		t.Run(name, func(t *testing.T) {
			st := r.step(10, store.Change{Key: []byte(tc.key), Old: tc.old, HadOld: true, New: tc.new, HasNew: tc.new != nil})
			st.Scratch = tc.scratch
			err := s.Commit(t.Context(), st)
			if !tc.refused {
				must(t, err)
				// Put it back, over a value that is known.
				st.Context.Deltas--
				r.rec = *st.Context
				v, err := s.View(r.id)
				must(t, err)
				defer v.Close()
				now, _, err := v.Get([]byte(tc.key))
				must(t, err)
				r.state[tc.key] = now
				r.commit(t, s, 10, r.set(tc.key, value))
				return
			}
			var changed *store.ChangedError
			if !errors.As(err, &changed) || !errors.Is(err, store.ErrStale) {
				t.Fatalf("got %v, want ChangedError", err)
			}
			if changed.Context != r.id || string(changed.Key) != tc.key || !strings.Contains(err.Error(), r.id.String()) {
				t.Errorf("the error names something else: %v", err)
			}
		})
	}
}

func TestPagesOfLargeValue(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	value := pattern(800<<10, 1)
	r.commit(t, s, 10, r.set("index", value))
	for _, tc := range []struct {
		name    string
		value   func([]byte) []byte
		records int // of state
	}{
		{"a byte in the first page", func(b []byte) []byte { b[0]++; return b }, 1},
		{"a byte in the middle", func(b []byte) []byte { b[400<<10]++; return b }, 1},
		{"the last byte", func(b []byte) []byte { b[len(b)-1]++; return b }, 1},
		{"across a border", func(b []byte) []byte { b[4095]++; b[4096]++; return b }, 2},
		{"one byte more", func(b []byte) []byte { return append(b, 1) }, 2}, // new page, head
		{"one byte less", func(b []byte) []byte { return b[:len(b)-1] }, 2}, // page gone, head
		{"half", func(b []byte) []byte { return b[:400<<10] }, 101},         // 100 pages gone, head
		{"twice", func(b []byte) []byte { return append(b, pattern(400<<10, 2)...) }, 101},
		{"nothing", func(b []byte) []byte { return b }, 0},
		{"to one page", func(b []byte) []byte { return b[:4096] }, 200},
		{"to nothing", func([]byte) []byte { return []byte{} }, 1},
		{"removed", func([]byte) []byte { return nil }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.Transaction()
			r.commit(t, s, 10, r.set("index", tc.value(bytes.Clone(r.state["index"]))))
			written, size, err := s.WrittenSince(before)
			must(t, err)
			if got := written[store.TableState]; got != tc.records {
				t.Errorf("%d records of state, want %d", got, tc.records)
			}
			if tc.records <= 2 && size > 20<<10 {
				t.Errorf("%d bytes", size)
			}
			r.check(t, s)
		})
	}
	records, err := s.Records()
	must(t, err)
	if n := records[store.TableState]; n != 0 {
		t.Errorf("%d records are left of a removed value", n)
	}
}

func TestSizesAroundPageBorders(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	sizes := []int{0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 3, 0, 20000, 4096, 8192}
	for i, n := range sizes {
		r.commit(t, s, n, r.set("v", pattern(n, uint64(i))), r.set("w", pattern(sizes[len(sizes)-1-i], 7)))
		r.check(t, s)
	}
}

func TestKeysOfAllKinds(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	keys := []string{
		"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "a", "a\x00", "a\x00b", "a\xff", "\xff", "\xff\xff",
		strings.Repeat("\x00", 512), strings.Repeat("\xff", 512), strings.Repeat("k", 512),
		strings.Repeat("k", 513), strings.Repeat("\x00", 513), strings.Repeat("k", 32<<10), strings.Repeat("k", 32<<10+1),
		string(pattern(1<<20, 3)), string(pattern(1<<20, 4)),
	}
	for i, key := range keys { // together they are more than one transaction
		r.commit(t, s, 10, r.set(key, pattern(i*1000, uint64(i))))
	}
	r.check(t, s)
	for i, key := range keys {
		r.commit(t, s, 10, r.set(key, pattern((len(keys)-i)*1000, 9)))
	}
	r.check(t, s)
	for _, key := range keys {
		r.commit(t, s, 10, r.set(key, nil))
	}
	r.check(t, s)
	records, err := s.Records()
	must(t, err)
	if n := records[store.TableState]; n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestStatesAreSeparate(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	st := r.step(10, r.set("k", []byte("state")))
	st.Local = []store.Change{r.set("k", []byte("local"))}
	st.Private = []store.Change{r.set("k", []byte("private"))}
	must(t, s.Commit(t.Context(), st))
	other := newReplica(t, s, 2)
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()
	for want, get := range map[string]func([]byte) ([]byte, bool, error){
		"state": v.Get, "local": v.Local, "private": v.Private,
	} {
		got, ok, err := get([]byte("k"))
		if err != nil || !ok || string(got) != want {
			t.Errorf("got %q, %v, %v, want %q", got, ok, err, want)
		}
	}
	w, err := s.View(other.id)
	must(t, err)
	defer w.Close()
	if _, ok, err := w.Get([]byte("k")); ok || err != nil {
		t.Errorf("another context has the key: %v, %v", ok, err)
	}
}

func TestViewIsASnapshot(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	r.commit(t, s, 10, r.set("n", []byte("old")), r.set("big", pattern(100<<10, 1)))
	before := *r
	before.state = map[string][]byte{"n": []byte("old"), "big": pattern(100<<10, 1)}
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := range 50 {
			st := r.step(100, r.set("n", pattern(10, uint64(i))), r.set("big", pattern(100<<10, uint64(i+2))))
			if err := s.Commit(t.Context(), st); err != nil {
				t.Error(err)
				return
			}
			r.done(st)
		}
	})
	for range 50 {
		for key, want := range before.state {
			got, ok, err := v.Get([]byte(key))
			if err != nil || !ok || !bytes.Equal(got, want) {
				t.Fatalf("%s changed under a view: %v, %v", key, ok, err)
			}
		}
		must(t, before.diffDeltas(v))
	}
	writers.Wait()
	r.check(t, s)
	if v.Context().Step != before.rec.Step {
		t.Error("the record changed under a view")
	}
}

func TestFates(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	for range 5 {
		r.commit(t, s, 50)
	}
	st := r.step(50_000)
	st.Deltas[0].Fate, st.Deltas[0].Reason = store.FateWaiting, "key"
	st.Deltas = append(st.Deltas, store.DeltaRecord{
		ID: deltaID(r.id, 2), Time: 2 * delta.Tick, Fate: store.FateVoid, Reason: "removed member",
	})
	must(t, s.Commit(t.Context(), st))
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()
	d, err := v.Delta(deltaID(r.id, 2))
	if err != nil || d.Fate != store.FateVoid || d.Reason != "removed member" || !bytes.Equal(d.Bytes, pattern(50, 2)) {
		t.Errorf("got %+v, %v", d, err)
	}
	d, err = v.Delta(deltaID(r.id, 6))
	if err != nil || d.Fate != store.FateWaiting || d.Reason != "key" || !bytes.Equal(d.Bytes, pattern(50_000, 6)) {
		t.Errorf("got fate %v, %v", d.Fate, err)
	}
	if _, err := v.Delta(deltaID(r.id, 7)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	var times []delta.Time
	for d, err := range v.DeltasByTime(4 * delta.Tick) {
		must(t, err)
		times = append(times, d.Time/delta.Tick)
	}
	if len(times) != 3 || times[0] != 4 || times[2] != 6 {
		t.Errorf("from 4 on: %v", times)
	}
}
