package replica_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/ident"
)

// tape is what the guest of testdata/tape.wat runs: each operation three bytes,
// what, a key, an argument. The guest says what there is.
func tape(ops ...string) []byte { return []byte("T" + strings.Join(ops, "")) }

// installTape installs that guest, which starts in microseconds.
func (h *home) installTape() ident.AppID {
	h.t.Helper()
	app, err := h.apps.Install(h.t.Context(), bytes.NewReader(tapeCode(h.t)), apps.Source{URL: "file:///tape.wasm"})
	must(h.t, err)
	return app.ID
}

func tapeCode(t testing.TB) []byte {
	t.Helper()
	code, err := os.ReadFile("testdata/tape.wasm")
	must(t, err)
	return code
}

// base is when the worlds of tests are: by the wall clock the homes of a sim are at
// noon of a day.
var base = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// world is a context whose deltas a test makes itself, by whatever authors.
type world struct {
	t       testing.TB
	context ident.ContextID
	app     ident.AppID
	quota   uint64
	key     delta.EpochKey
	creator *author
	genesis *delta.Delta
	// first are the deltas that admit the crew and the resident, admitted is the last.
	first    [][]byte
	admitted *delta.Delta
	// start is how many of the deltas that a home made, the last of them admitted, come
	// before all that the test is about.
	start int

	contextKey ident.PrivateKey
	other      delta.EpochKey
	kept       [][]byte
	before     map[delta.ID][]byte // an author's previous delta by its next one
}

// author is one writer.
type author struct {
	key  ident.PrivateKey
	inc  delta.Incarnation
	seq  uint64
	last *delta.Delta
}

// newWorld makes a genesis and an init by its creator.
func newWorld(t testing.TB, app ident.AppID, quota uint64) *world {
	t.Helper()
	creator := &author{key: ident.NewPrivateKey(), inc: delta.NewIncarnation()}
	w := &world{t: t, app: app, quota: quota, key: delta.NewEpochKey(), creator: creator}
	contextKey := ident.NewPrivateKey()
	w.contextKey = contextKey
	w.context = ident.ContextID(contextKey.Public())
	sealing, err := ident.NewSealKey()
	must(t, err)
	form, err := delta.EncodeGenesis(delta.Genesis{
		Semantics: 1, App: app, SealKey: sealing.Public(), StateQuota: quota,
	})
	must(t, err)
	w.genesis, err = delta.Seal(delta.Header{
		Context: w.context, Kind: delta.KindGenesis, Author: w.creator.key.Public(), Incarnation: w.creator.inc, Seq: 1,
		Time: delta.NextTime(base),
	}, form, w.key, nil, w.creator.key, &contextKey)
	must(t, err)
	w.creator.seq, w.creator.last = 1, w.genesis
	w.populate()
	return w
}

// leave removes it again.
func (w *world) leave(h *home) {
	h.t.Helper()
	_, err := h.set.Delete(h.t.Context(), w.context)
	must(h.t, err)
}

// write makes an author's next delta with a tape: on the given parents and its own
// last one, so many ticks after the latest of them.
func (w *world) write(a *author, ticks uint64, artifact []byte, parents ...*delta.Delta) *delta.Delta {
	w.t.Helper()
	form, err := delta.EncodeState(delta.State{Artifact: artifact})
	must(w.t, err)
	return w.seal(a, ticks, form, parents...)
}

func (w *world) seal(a *author, ticks uint64, payload []byte, parents ...*delta.Delta) *delta.Delta {
	w.t.Helper()
	a.seq++
	d, err := w.sealAs(a, a.seq, ticks, payload, w.key, append(parents, a.last)...)
	must(w.t, err)
	if a.last != nil {
		if w.before == nil {
			w.before = make(map[delta.ID][]byte)
		}
		w.before[d.ID()] = a.last.Bytes()
	}
	a.last = d
	return d
}

// sealAs seals whatever is asked for.
func (w *world) sealAs(a *author, seq, ticks uint64, payload []byte, key delta.EpochKey, parents ...*delta.Delta) (*delta.Delta, error) {
	return delta.Seal(w.header(a, seq, ticks, parents), payload, key, nil, a.key, nil)
}

// header is that of a delta on some parents. Nothing rests on the genesis alone, but on
// the first admissions.
func (w *world) header(a *author, seq, ticks uint64, parents []*delta.Delta) delta.Header {
	h := delta.Header{
		Context: w.context, Kind: delta.KindState, Author: a.key.Public(), Incarnation: a.inc, Seq: seq,
	}
	for _, p := range parents {
		if p == w.genesis {
			p = w.admitted
		}
		if p == nil || slices.Contains(h.Parents, p.ID()) {
			continue
		}
		h.Parents = append(h.Parents, p.ID())
		h.Time = max(h.Time, p.Header().Time)
	}
	if len(h.Parents) == 0 {
		h.Parents, h.Time = []delta.ID{w.admitted.ID()}, w.admitted.Header().Time
	}
	h.Time += delta.Time(ticks) * delta.Tick
	return h
}

func opened(t testing.TB, raw []byte) *delta.Delta {
	t.Helper()
	d, err := delta.Open(raw)
	must(t, err)
	return d
}
