package fold_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
	"mero/node/trail"
	"mero/node/vm"
)

// world is a context of one member, without a store.
type world struct {
	t      *testing.T
	author ident.PrivateKey
	key    delta.EpochKey
	state  fold.State
	seq    uint64
	lie    bool // key is that of all epochs
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, author: ident.NewPrivateKey(), key: delta.NewEpochKey()}
	rec := store.Context{ID: ident.ContextID{1}, Creator: w.author.Public(), StateQuota: 1000, Layouts: fold.AllLayouts}
	w.state = fold.Empty(rec, members.Founder{Genesis: delta.ID{1}, Key: w.author.Public()}, fold.Outside{
		Module: func(context.Context, ident.AppID) (*vm.Module, func(), error) { return nil, nil, errNoCode },
		Key: func(epoch delta.EpochID) (delta.EpochKey, error) {
			if epoch != w.key.ID() && !w.lie {
				return delta.EpochKey{}, store.ErrNotFound
			}
			return w.key, nil
		},
		Took:     func(time.Duration) {},
		Verdicts: &fold.Verdicts{},
	})
	w.state.Begin(w.delta(nil))
	return w
}

// errNoCode is trouble of this node.
var errNoCode = errors.New("no code")

// delta is the next one of the member. What is not genesis is not looked into.
func (w *world) delta(payload []byte) *delta.Delta {
	w.t.Helper()
	w.seq++
	d, err := delta.Seal(delta.Header{
		Context: ident.ContextID{1}, Kind: delta.KindState, Parents: []delta.ID{{byte(w.seq)}},
		Author: w.author.Public(), Incarnation: delta.Incarnation{1}, Seq: w.seq, Time: delta.Time(w.seq) * delta.Tick,
	}, payload, w.key, nil, w.author, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// set is the effect of writing one key.
func (w *world) set(key, value string, more ...vm.Write) fold.Effect {
	w.t.Helper()
	old, had, err := w.state.Values.Get([]byte(key))
	if err != nil {
		w.t.Fatal(err)
	}
	writes := append([]vm.Write{{Key: []byte(key), Value: []byte(value), Old: old, HadOld: had}}, more...)
	return fold.Effect{Out: &vm.Outcome{Root: [32]byte{byte(w.seq)}, Writes: writes}, Layouts: uint16(w.seq)}
}

// TestFoldAndTakeBack: each span puts back all that its delta changed.
func TestFoldAndTakeBack(t *testing.T) {
	w := newWorld(t)
	before := []store.Context{w.state.Rec}
	for i := range 10 {
		d := w.delta(nil)
		done, void := w.set(fmt.Sprint("key", i%3), strings.Repeat("v", i*20)), ""
		switch i {
		case 4:
			done.App = ident.AppID{9}
		case 5:
			void = "a test"
		}
		want := store.FateFolded
		if void != "" {
			want = store.FateVoid
		}
		if fate := w.state.Fold(d, done, void); fate != want {
			t.Errorf("delta %d is %s, want %s", i, fate, want)
		}
		if w.state.Rec.Last != d.Place() {
			t.Errorf("the state is at %v", w.state.Rec.Last)
		}
		before = append(before, w.state.Rec)
	}
	if w.state.Rec.Deltas != 10 || w.state.Rec.Voids != 1 || len(w.state.Rec.Former) != 0 {
		t.Errorf("%d deltas, %d of them void, applications before: %v", w.state.Rec.Deltas, w.state.Rec.Voids, w.state.Rec.Former)
	}
	if w.state.Rolled {
		t.Error("the state was taken back")
	}
	for i := len(before) - 2; i >= 0; i-- {
		if err := w.state.TakeBack(); err != nil {
			t.Fatal(err)
		}
		got, want := w.state.Rec, before[i]
		if got.Sum != want.Sum || got.Last != want.Last || got.Clock != want.Clock || got.StateBytes != want.StateBytes ||
			got.App != want.App || got.GuestRoot != want.GuestRoot || got.Layouts != want.Layouts {
			t.Errorf("back at delta %d the record is\n%+v, want\n%+v", i, got, want)
		}
		if !w.state.Rolled || w.state.Lowest != want.Last {
			t.Errorf("it was taken back to %v, want %v", w.state.Lowest, want.Last)
		}
	}
	if _, has, err := w.state.Values.Get([]byte("key0")); has || err != nil {
		t.Errorf("a key is left: %v", err)
	}
}

// TestTakeBackOfAnotherState: a span that is not of this state is found out.
func TestTakeBackOfAnotherState(t *testing.T) {
	w := newWorld(t)
	w.state.Fold(w.delta(nil), w.set("a", "1"), "")
	w.state.Rec.Sum.Replace([]byte("b"), nil, []byte("2"), false, true)
	if err := w.state.TakeBack(); !errors.Is(err, trail.ErrMisfit) {
		t.Errorf("taken back with %v, want ErrMisfit", err)
	}
}

// TestLocalKeys: what a call wrote and its delta did not is kept here, until a delta
// makes the key (R6).
func TestLocalKeys(t *testing.T) {
	w := newWorld(t)
	own := vm.Write{Key: []byte("own"), Value: []byte("1")}
	done := w.set("shared", "1")
	local := func(key, want string) {
		t.Helper()
		if value, _, err := w.state.Local.Get([]byte(key)); err != nil || string(value) != want {
			t.Errorf("%s is %q here, want %q: %v", key, value, want, err)
		}
	}
	writes, err := w.state.LocalWrites(done.Out, &vm.Outcome{Writes: []vm.Write{own, done.Out.Writes[0]}}, false)
	if err != nil {
		t.Fatal(err)
	}
	w.state.Fold(w.delta(nil), done, "")
	w.state.PutLocal(writes)
	local("own", "1")
	local("shared", "")
	if err := w.state.Unlocal(w.set("own", "2")); err != nil {
		t.Fatal(err)
	}
	local("own", "")
}

// TestCheckSize: the quota binds what grows the state, and nothing that makes it
// smaller (R10).
func TestCheckSize(t *testing.T) {
	w := newWorld(t)
	var limit *fold.LimitError
	if err := w.state.CheckSize(w.set("k", strings.Repeat("v", 1000)).Out); !errors.As(err, &limit) || limit.Size != 1001 || limit.Max != 1000 {
		t.Errorf("over the quota: %v", err)
	}
	big := w.set("k", strings.Repeat("v", 999))
	if err := w.state.CheckSize(big.Out); err != nil {
		t.Errorf("within the quota: %v", err)
	}
	w.state.Fold(w.delta(nil), big, "")
	w.state.Rec.StateQuota = 10
	if err := w.state.CheckSize(w.set("k", strings.Repeat("v", 500)).Out); err != nil {
		t.Errorf("less than before: %v", err)
	}
	limit = nil
	if err := w.state.CheckSize(w.set("huge", strings.Repeat("v", delta.MaxChanged)).Out); !errors.As(err, &limit) || limit.Max != delta.MaxChanged {
		t.Errorf("over what one delta may change: %v", err)
	}
}

// TestJudge: what every replica finds is a verdict, what only this node lacks is not.
func TestJudge(t *testing.T) {
	w := newWorld(t)
	judge := func(d *delta.Delta) (string, error) {
		_, _, void, err := w.state.Judge(t.Context(), d, w.state.View)
		return void, err
	}
	if void, err := judge(w.delta([]byte("no payload"))); void == "" || err != nil {
		t.Errorf("void for %q, %v", void, err)
	}
	form, err := delta.EncodeState(delta.State{Artifact: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	d := w.delta(form)
	if void, err := judge(d); void != "" || !errors.Is(err, errNoCode) {
		t.Errorf("without the code: %q, %v", void, err)
	}
	there := w.key
	w.key = delta.NewEpochKey()
	if void, err := judge(d); void != "" || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without the key: %q, %v", void, err)
	}
	w.key = there
	w.lie = true // its header says the epoch, and another key sealed it
	w.key = delta.NewEpochKey()
	if void, err := judge(d); void != "" || !errors.Is(err, history.ErrStranger) {
		t.Errorf("not sealed by a member: %q, %v", void, err)
	}
}

// TestWords: a reason at rest is one line of text, and bounded.
func TestWords(t *testing.T) {
	got := fold.Words(errors.New("  two\nlines \xff" + strings.Repeat("é", store.MaxName)))
	if !strings.HasPrefix(got, "two lines ?é") || len(got) > store.MaxName/2 || strings.Contains(got, "\ufffd") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestRoot: the root is of the members, of the application, of the epoch and of the
// genesis.
func TestRoot(t *testing.T) {
	rec := store.Context{Genesis: delta.ID{1}, App: ident.AppID{2}, Members: [32]byte{3}, Epoch: delta.EpochID{4}}
	root := fold.Root(&rec)
	for name, change := range map[string]func(*store.Context){
		"members":     func(r *store.Context) { r.Members = [32]byte{9} },
		"application": func(r *store.Context) { r.App = ident.AppID{9} },
		"epoch":       func(r *store.Context) { r.Epoch = delta.EpochID{9} },
		"genesis":     func(r *store.Context) { r.Genesis = delta.ID{9} },
	} {
		other := rec
		if change(&other); fold.Root(&other) == root {
			t.Errorf("%s: does not matter", name)
		}
	}
}
