package delta_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
)

// world is a context with one author, for tests.
type world struct {
	context, author ident.PrivateKey
	epoch           delta.EpochKey
	incarnation     delta.Incarnation
}

func newWorld() *world {
	return &world{
		context: ident.NewPrivateKey(), author: ident.NewPrivateKey(),
		epoch: delta.NewEpochKey(), incarnation: delta.NewIncarnation(),
	}
}

func (w *world) header(kind delta.Kind, seq uint64, parents ...delta.ID) delta.Header {
	return delta.Header{
		Context: ident.ContextID(w.context.Public()), Kind: kind, Parents: parents,
		Author: w.author.Public(), Incarnation: w.incarnation, Seq: seq,
		Time: delta.NextTime(time.Unix(1_800_000_000, 0)) + delta.Time(seq)*delta.Tick,
	}
}

func (w *world) genesis(t testing.TB, payload []byte) *delta.Delta {
	t.Helper()
	d, err := delta.Seal(w.header(delta.KindGenesis, 1), payload, w.epoch, nil, w.author, &w.context)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w *world) state(t testing.TB, seq uint64, payload []byte, parents ...delta.ID) *delta.Delta {
	t.Helper()
	d, err := delta.Seal(w.header(delta.KindState, seq, parents...), payload, w.epoch, nil, w.author, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSealOpen(t *testing.T) {
	w := newWorld()
	genesis := w.genesis(t, []byte("begin"))
	state := w.state(t, 2, []byte("change"), genesis.ID())
	for name, d := range map[string]*delta.Delta{"begin": genesis, "change": state} {
		back, err := delta.Open(d.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back.ID() != d.ID() {
			t.Errorf("%s: id %s, want %s", name, back.ID(), d.ID())
		}
		if diff := cmp.Diff(d.Header(), back.Header()); diff != "" {
			t.Errorf("%s: header (-sealed +opened):\n%s", name, diff)
		}
		payload, err := back.Payload(w.epoch)
		if err != nil || string(payload) != name {
			t.Errorf("%s: payload %q, %v", name, payload, err)
		}
	}
}
