package hosted_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/collections"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/hosted/hostedtest"
	"mero/node/ident"
	"mero/node/vm"
)

var (
	writer = delta.Writer{Author: ident.PublicKey{7}, Incarnation: delta.Incarnation{9, 8}}
	header = delta.Header{Author: writer.Author, Incarnation: writer.Incarnation, Time: 1 << 40}
	errIO  = errors.New("the disk is on fire")
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failing is a state that cannot be read.
func failing() *hostedtest.State { return &hostedtest.State{Failing: errIO} }

// written is a call that puts one entry into a map.
func written(t *testing.T, s *hostedtest.State) *hosted.Tx {
	t.Helper()
	tx := hosted.Begin(s, writer, header.Time)
	notes, err := tx.Open(0, []byte("notes"), uint8(collections.Map), 0)
	must(t, err)
	must(t, tx.Put(notes, []byte("key"), []byte("value")))
	return tx
}

// TestFold: folding what a call did is what the call did.
func TestFold(t *testing.T) {
	s := hostedtest.New()
	tx := written(t, s)
	ops := tx.Ops()
	want, err := tx.Writes()
	must(t, err)
	got, err := hosted.Fold(s, header, ops)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("folding is not the call (-call +fold):\n%s", diff)
	}
	s.Apply(got)
	tx = hosted.BeginReadOnly(s)
	notes, err := tx.Open(0, []byte("notes"), uint8(collections.Map), 0)
	must(t, err)
	if value, ok, err := tx.Get(notes, []byte("key")); string(value) != "value" || !ok || err != nil {
		t.Errorf("got %q, %t, %v", value, ok, err)
	}
	if got, err := hosted.Fold(failing(), header, nil); got != nil || err != nil {
		t.Errorf("a delta of events alone: %v, %v", got, err)
	}
}

// TestFoldErrors: what is wrong with a delta makes it void everywhere; what is wrong
// with this node must not.
func TestFoldErrors(t *testing.T) {
	ops := written(t, hostedtest.New()).Ops()
	damaged := hostedtest.New()
	damaged.Apply([]vm.Write{{Key: make([]byte, 17), Value: []byte{0xff}}})
	var limit *collections.LimitError
	for name, test := range map[string]struct {
		state *hostedtest.State
		ops   []byte
		void  bool
		is    func(error) bool
	}{
		"malformed":      {hostedtest.New(), []byte{0xff}, true, func(err error) bool { return errors.Is(err, collections.ErrOps) }},
		"cut":            {hostedtest.New(), ops[:len(ops)-1], true, func(err error) bool { return errors.Is(err, collections.ErrOps) }},
		"too large":      {hostedtest.New(), make([]byte, collections.MaxOpBytes+1), true, func(err error) bool { return errors.As(err, &limit) }},
		"failing state":  {failing(), ops, false, func(err error) bool { return errors.Is(err, errIO) }},
		"damaged state":  {damaged, ops, false, func(err error) bool { return errors.Is(err, collections.ErrDamaged) }},
		"malformed, too": {failing(), []byte{0xff}, true, func(err error) bool { return errors.Is(err, collections.ErrOps) }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := hosted.Fold(test.state, header, test.ops)
			if got != nil || err == nil || errors.Is(err, hosted.ErrVoid) != test.void || !test.is(err) {
				t.Errorf("got %v, %v; void: want %t", got, err, test.void)
			}
		})
	}
}

// TestBlame: what an application does wrong is its call's error; what the node does
// wrong is not.
func TestBlame(t *testing.T) {
	tx := written(t, hostedtest.New())
	list, err := tx.Open(0, []byte("list"), uint8(collections.List), 0)
	must(t, err)
	reading := hosted.BeginReadOnly(hostedtest.New())
	counter, err := reading.Open(0, []byte("n"), uint8(collections.Counter), 0)
	must(t, err)
	if tx.ReadOnly() || !reading.ReadOnly() {
		t.Error("who may write is not told")
	}
	damaged := hostedtest.New()
	damaged.Apply([]vm.Write{{Key: make([]byte, 17), Value: []byte{0xff}}})
	write := func(s *hostedtest.State) error {
		tx := hosted.Begin(s, writer, header.Time)
		notes, err := tx.Open(0, []byte("notes"), uint8(collections.Map), 0)
		if err == nil {
			err = tx.Put(notes, []byte("key"), nil)
		}
		return err
	}
	_, another := tx.Open(0, []byte("notes"), uint8(collections.Set), 0)
	_, index := tx.At(list, 3)
	for name, test := range map[string]struct {
		err    error
		misuse bool
		is     error
	}{
		"another kind":  {another, true, nil},
		"no such index": {index, true, nil},
		"no handle":     {tx.Put(99, []byte("a"), nil), true, nil},
		"read-only":     {reading.Increase(counter, 1), true, nil},
		"failing state": {write(failing()), false, errIO},
		"damaged state": {write(damaged), false, collections.ErrDamaged},
	} {
		var guests *vm.Error
		if misuse := errors.As(test.err, &guests) && guests.Kind == vm.KindMisuse && guests.Message != ""; misuse != test.misuse {
			t.Errorf("%s: got %v, misuse: want %t", name, test.err, test.misuse)
		}
		if test.is != nil && !errors.Is(test.err, test.is) {
			t.Errorf("%s: got %v, want %v", name, test.err, test.is)
		}
	}
}

// TestRemoveAt: one function of the interface removes from lists and from texts.
func TestRemoveAt(t *testing.T) {
	tx := hosted.Begin(hostedtest.New(), writer, header.Time)
	list, err := tx.Open(0, []byte("list"), uint8(collections.List), 0)
	must(t, err)
	text, err := tx.InsertOpen(list, 0, uint8(collections.Text), 0)
	must(t, err)
	must(t, tx.InsertText(text, 0, "hello"))
	must(t, tx.Insert(list, 1, []byte("x")))
	must(t, tx.RemoveAt(text, 1, 3))
	must(t, tx.RemoveAt(list, 1, 1))
	if n, err := tx.Len(list); n != 1 || err != nil {
		t.Errorf("the list has %d elements (%v)", n, err)
	}
	if got, err := tx.Slice(text, 0, 2); got != "ho" || err != nil {
		t.Errorf("the text is %q (%v)", got, err)
	}
}

// TestNoKey: reading and writing without a key means a register; in a collection with
// keys it is a key of no bytes, and that is what is said.
func TestNoKey(t *testing.T) {
	tx := hosted.Begin(hostedtest.New(), writer, header.Time)
	open := func(name string, kind collections.Kind) int32 {
		ref, err := tx.Open(0, []byte(name), uint8(kind), 0)
		must(t, err)
		return ref
	}
	const (
		size = "bad key size: the keys of 'm' have 1 to 480 bytes, not 0"
		name = "bad name: a collection's name in the root is 1 to 64 bytes of UTF-8, not 0 bytes"
		set  = "wrong kind of collection: 's' is a set, not a map"
		root = "wrong kind of collection: the root is the root, not a map"
	)
	for _, test := range []struct {
		ref              int32
		get, put, remove string
	}{
		{open("m", collections.Map), size, size, size},
		{open("s", collections.Set), strings.Replace(size, "m", "s", 1), set, strings.Replace(size, "m", "s", 1)},
		{
			open("p", collections.Members), "bad key size: the keys of 'p' are members of 32 bytes, not of 0",
			"wrong kind of collection: 'p' is a collection by member, not a map", "bad key size: the keys of 'p' are members of 32 bytes, not of 0",
		},
		{0, name, root, name},
	} {
		_, _, get := tx.Load(test.ref)
		for what, got := range map[string][2]string{
			"get": {get.Error(), test.get}, "put": {tx.Store(test.ref, []byte("v")).Error(), test.put},
			"remove": {tx.Clear(test.ref).Error(), test.remove},
		} {
			if got[0] != got[1] {
				t.Errorf("handle %d, %s: %s, want %s", test.ref, what, got[0], got[1])
			}
		}
	}
	r := open("r", collections.Register)
	must(t, tx.Store(r, []byte("v")))
	if v, ok, err := tx.Load(r); string(v) != "v" || !ok || err != nil {
		t.Errorf("the register has %q, %t, %v", v, ok, err)
	}
	must(t, tx.Clear(r))
}

// TestFixed: what every replica must have alike does not change. The bytes are those
// of `openssl enc -chacha20` with that key, and of SHA-256.
func TestFixed(t *testing.T) {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(i)
	}
	const want = "03bd63c130a765940f416a6b44bd12ac24ec455dbd8dcf8c55a801fc1e3ad666465e4e7bea2370a88a828934ac152596" +
		"a122f2836b5c963b6ca839f70eb02484efa7de0fcef5b9ca18f0b151bec5cb3b784d9614bb45d2135e766c489b7ed99f"
	stream, got := hosted.Random(seed), bytes.Repeat([]byte{0xaa}, 96)
	for _, part := range [][]byte{got[:1], got[1:70], got[70:]} {
		_, err := io.ReadFull(stream, part)
		must(t, err)
	}
	if hex.EncodeToString(got) != want {
		t.Errorf("random bytes are %x, want %s", got, want)
	}
	if tag := hosted.Tag(writer); hex.EncodeToString(tag[:]) != "75675470ccd5cb1a" {
		t.Errorf("the writer's tag is %x", tag)
	}
}

// TestBlobs: a guest writes and reads blobs of the node; what is not there is said in
// vm's words.
func TestBlobs(t *testing.T) {
	disk, err := blobkit.Open(t.TempDir(), blobkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}, blobkit.DefaultConfig())
	must(t, err)
	t.Cleanup(func() { must(t, disk.Close()) })
	blobs := hosted.Blobs{Store: disk}
	w, err := blobs.Create(t.Context())
	must(t, err)
	_, err = w.Write([]byte("some bytes"))
	must(t, err)
	id, err := w.Commit()
	must(t, err)
	r, err := blobs.Open(t.Context(), id)
	must(t, err)
	got, err := io.ReadAll(r)
	if string(got) != "some bytes" || err != nil || r.Close() != nil {
		t.Errorf("got %q, %v", got, err)
	}
	must(t, blobs.Announce(t.Context(), id, ident.ContextID{}))
	if _, err := blobs.Open(t.Context(), [32]byte{1}); !errors.Is(err, vm.ErrBlobNotFound) {
		t.Errorf("opening nothing: %v", err)
	}
	if err := blobs.Announce(t.Context(), [32]byte{1}, ident.ContextID{}); !errors.Is(err, vm.ErrBlobNotFound) {
		t.Errorf("announcing nothing: %v", err)
	}
}
