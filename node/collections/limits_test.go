package collections_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mero/node/collections"
)

// TestMisuse: each wrong call has its error and its words, and changes nothing.
func TestMisuse(t *testing.T) {
	var m collections.Mem
	o := collections.Origin{Tag: [8]byte{1}, Time: 5 << 16}
	tx := collections.Begin(&m, o)
	notes := open(t, tx, "notes", collections.Map, 0)
	must(t, tx.Put(notes, []byte("a"), []byte("1")))
	inner := must1[collections.Ref](t)(tx.Open(notes, []byte("in\nner"), collections.List, 0))
	must(t, tx.Insert(inner, 0, []byte("x")))
	once := open(t, tx, "once", collections.Register, collections.Once)
	must(t, tx.Store(once, nil))
	onces := open(t, tx, "onces", collections.Map, collections.Once)
	must(t, tx.Put(onces, []byte("k"), nil))
	body := open(t, tx, "text", collections.Text, 0)
	must(t, tx.InsertText(body, 0, "äb"))
	deep := notes
	for i := range 7 {
		deep = must1[collections.Ref](t)(tx.Open(deep, []byte{byte('0' + i)}, collections.Map, 0))
	}
	must(t, tx.Put(deep, []byte("k"), nil))
	list8 := must1[collections.Ref](t)(tx.Open(notes, []byte("l"), collections.List, 0))
	writes, err := tx.Writes()
	must(t, err)
	m.Apply(writes)

	long := bytes.Repeat([]byte("k"), 481)
	for _, row := range []struct {
		name string
		want error
		says string
		do   func(tx *collections.Tx) error
	}{
		{"another kind", collections.ErrKind, "'notes' is a map, not a list", func(tx *collections.Tx) error {
			_, err := tx.Open(0, []byte("notes"), collections.List, 0)
			return err
		}},
		{"another flag", collections.ErrKind, "'notes' is a map, not a map that is written once", func(tx *collections.Tx) error {
			_, err := tx.Open(0, []byte("notes"), collections.Map, collections.Once)
			return err
		}},
		{"a flag that is not for it", collections.ErrKind, "flags 1", func(tx *collections.Tx) error {
			_, err := tx.Open(0, []byte("x"), collections.List, collections.Once)
			return err
		}},
		{"no kind", collections.ErrKind, "kind 9", func(tx *collections.Tx) error {
			_, err := tx.Open(0, []byte("x"), 9, 0)
			return err
		}},
		{"open over a value", collections.ErrKind, "'notes/a' is a value, not a set", func(tx *collections.Tx) error {
			_, err := tx.Open(notes, []byte("a"), collections.Set, 0)
			return err
		}},
		{"by key in a list", collections.ErrKind, `'notes/in\nner' is a list`, func(tx *collections.Tx) error {
			_, err := tx.Open(inner, []byte("a"), collections.Set, 0)
			return err
		}},
		{"put over a collection", collections.ErrKind, `'notes/in\nner' is a list: remove it first`, func(tx *collections.Tx) error {
			return tx.Put(notes, []byte("in\nner"), nil)
		}},
		{"get a collection", collections.ErrKind, "not a value", func(tx *collections.Tx) error {
			_, _, err := tx.Get(notes, []byte("in\nner"))
			return err
		}},
		{"put in the root", collections.ErrKind, "the root is the root, not a map", func(tx *collections.Tx) error { return tx.Put(0, []byte("x"), nil) }},
		{"add to a map", collections.ErrKind, "'notes' is a map, not a set", func(tx *collections.Tx) error {
			_, err := tx.Add(notes, []byte("x"))
			return err
		}},
		{"no name", collections.ErrName, "1 to 64", func(tx *collections.Tx) error {
			_, err := tx.Open(0, nil, collections.Map, 0)
			return err
		}},
		{"a long name", collections.ErrName, "65", func(tx *collections.Tx) error {
			_, err := tx.Open(0, long[:65], collections.Map, 0)
			return err
		}},
		{"no UTF-8", collections.ErrName, "UTF-8", func(tx *collections.Tx) error {
			_, err := tx.Open(0, []byte{0xff}, collections.Map, 0)
			return err
		}},
		{"a long key", collections.ErrKeySize, "not 481", func(tx *collections.Tx) error { return tx.Put(notes, long, nil) }},
		{"no key", collections.ErrKeySize, "not 0", func(tx *collections.Tx) error { return tx.Put(notes, nil, nil) }},
		{"a key that is no member", collections.ErrKeySize, "32 bytes", func(tx *collections.Tx) error {
			_, err := tx.Open(open(t, tx, "members", collections.Members, 0), []byte("x"), collections.Map, 0)
			return err
		}},
		{"a long value", collections.ErrValueSize, "1048577", func(tx *collections.Tx) error {
			return tx.Put(notes, []byte("x"), make([]byte, collections.MaxValue+1))
		}},
		{"too deep", collections.ErrDepth, "'notes/0/1/2/3/4/5/6' is at depth 8", func(tx *collections.Tx) error {
			_, err := tx.Open(deep, []byte("x"), collections.Map, 0)
			return err
		}},
		{"no index", collections.ErrIndex, "1 of 'notes/in\\nner', which has 1", func(tx *collections.Tx) error {
			_, err := tx.At(inner, 1)
			return err
		}},
		{"a negative index", collections.ErrIndex, "-1 of", func(tx *collections.Tx) error { return tx.Insert(inner, -1, nil) }},
		{"more than there is", collections.ErrIndex, "2 elements from 1 of 'text', which has 2", func(tx *collections.Tx) error { return tx.RemoveText(body, 1, 2) }},
		{"a great index", collections.ErrIndex, "'text'", func(tx *collections.Tx) error {
			_, err := tx.Slice(body, 1, 1<<63-1)
			return err
		}},
		{"fewer than none", collections.ErrIndex, "-1 elements", func(tx *collections.Tx) error { return tx.RemoveText(body, 0, -1) }},
		{"no text", collections.ErrText, "", func(tx *collections.Tx) error { return tx.InsertText(body, 0, "\xff") }},
		{"store again", collections.ErrOnce, "'once' stays", func(tx *collections.Tx) error { return tx.Store(once, nil) }},
		{"clear what was stored once", collections.ErrOnce, "'once'", func(tx *collections.Tx) error { return tx.Clear(once) }},
		{"put again", collections.ErrOnce, "'onces/k' stays", func(tx *collections.Tx) error { return tx.Put(onces, []byte("k"), nil) }},
		{"remove what was put once", collections.ErrOnce, "'onces/k'", func(tx *collections.Tx) error {
			_, err := tx.Remove(onces, []byte("k"))
			return err
		}},
		{"remove what is written once", collections.ErrOnce, "in the root", func(tx *collections.Tx) error {
			_, err := tx.Remove(0, []byte("once"))
			return err
		}},
		{"no handle", collections.ErrRef, "99", func(tx *collections.Tx) error { return tx.Store(99, nil) }},
		{"a negative handle", collections.ErrRef, "-1", func(tx *collections.Tx) error { return tx.Store(-1, nil) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			again := collections.Begin(&m, collections.Origin{Tag: [8]byte{1}, Time: 6 << 16})
			for _, r := range []struct {
				at   collections.Ref
				key  string
				kind collections.Kind
				f    collections.Flags
				want collections.Ref
			}{
				{0, "notes", collections.Map, 0, notes},
				{notes, "in\nner", collections.List, 0, inner},
				{0, "once", collections.Register, 1, once},
				{0, "onces", collections.Map, 1, onces},
				{0, "text", collections.Text, 0, body},
			} {
				if got := must1[collections.Ref](t)(again.Open(r.at, []byte(r.key), r.kind, r.f)); got != r.want {
					t.Fatalf("handle %d, want %d", got, r.want)
				}
			}
			at := notes
			for i := range 7 {
				at = must1[collections.Ref](t)(again.Open(at, []byte{byte('0' + i)}, collections.Map, 0))
			}
			err := row.do(again)
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want %v with %q", err, row.want, row.says)
			}
			if again.Ops() != nil {
				t.Errorf("operations %x", again.Ops())
			}
		})
	}
	_ = list8
}

// TestReadOnly: every way to write is refused.
func TestReadOnly(t *testing.T) {
	var m collections.Mem
	tx := collections.BeginReadOnly(&m)
	ref := func(k collections.Kind) collections.Ref { return open(t, tx, k.String(), k, 0) }
	for name, err := range map[string]error{
		"Store":      tx.Store(ref(collections.Register), nil),
		"Clear":      tx.Clear(ref(collections.Register)),
		"Put":        tx.Put(ref(collections.Map), []byte("k"), nil),
		"Increase":   tx.Increase(ref(collections.Counter), 1),
		"Insert":     tx.Insert(ref(collections.List), 0, nil),
		"SetAt":      tx.SetAt(ref(collections.List), 0, nil),
		"RemoveAt":   tx.RemoveAt(ref(collections.List), 0, 0),
		"InsertText": tx.InsertText(ref(collections.Text), 0, "x"),
		"RemoveText": tx.RemoveText(ref(collections.Text), 0, 0),
		"Add":        second(tx.Add(ref(collections.Set), []byte("k"))),
		"Remove":     second(tx.Remove(ref(collections.Map), []byte("k"))),
		"InsertOpen": second(tx.InsertOpen(ref(collections.List), 0, collections.Map, 0)),
	} {
		if !errors.Is(err, collections.ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// opsOf writes operations by hand: version 1; make a map "m"; and what more gives.
func opsOf(more func(b []byte) []byte) []byte {
	return more([]byte{1, 2, 0, 0, 1, 'm', byte(collections.Map), 0})
}

func puts(n int, value []byte) []byte {
	return opsOf(func(b []byte) []byte {
		for i := range n {
			b = binary.BigEndian.AppendUint32(append(b, 5, 1, 4), uint32(i))
			b = append(binary.AppendUvarint(b, uint64(len(value))), value...)
		}
		return b
	})
}

// TestDeltaLimits: a call ends at half of what makes a delta void.
func TestDeltaLimits(t *testing.T) {
	var m collections.Mem
	o := collections.Origin{Time: 1 << 16}
	for _, row := range []struct {
		name string
		ops  []byte
		void string
	}{
		{"rows", puts(collections.MaxRows-3, nil), ""},
		{"too many rows", puts(collections.MaxRows-2, nil), "changed rows"},
		{"too many operations", append(
			[]byte{1, 2, 0, 0, 1, 'c', byte(collections.Counter), 0},
			bytes.Repeat([]byte{10, 1, 2}, collections.MaxOps)...,
		), "operations"},
		{"too many bytes", puts(4, make([]byte, collections.MaxValue)), "bytes of operations"},
		{"too much work", forever(), "work"},
	} {
		t.Run(row.name, func(t *testing.T) {
			writes, err := collections.Fold(&m, row.ops, o)
			limit := (*collections.LimitError)(nil)
			switch {
			case row.void == "":
				must(t, err)
			case !errors.As(err, &limit) || !strings.Contains(err.Error(), row.void) || writes != nil:
				t.Errorf("%d writes, %v", len(writes), err)
			}
		})
	}
	tx := collections.Begin(&m, o)
	r := open(t, tx, "m", collections.Map, 0)
	var err error
	n := 0
	for ; err == nil; n++ {
		err = tx.Put(r, fmt.Append(nil, n), nil)
	}
	if !errors.Is(err, collections.ErrFull) || n < collections.MaxRows/2-10 || n > collections.MaxRows/2+10 {
		t.Errorf("after %d puts: %v", n, err)
	}
	if err := tx.Put(r, []byte("1"), nil); !errors.Is(err, collections.ErrFull) {
		t.Errorf("after that: %v", err)
	}
}

// forever gives operations that would take very long: a long text, and then spans over and over
// it, from which there is nothing left to remove.
func forever() []byte {
	b := []byte{1, 2, 0, 0, 1, 't', byte(collections.Text), 0}
	b = append(binary.AppendUvarint(append(b, 15, 1, 0), collections.MaxInsert), bytes.Repeat([]byte("x"), collections.MaxInsert)...)
	const spans = 150_000
	b = binary.AppendUvarint(append(b, 14, 1), spans)
	for range spans {
		b = binary.BigEndian.AppendUint64(b, 1<<16+1)
		b = append(b, make([]byte, 8)...)
		b = binary.AppendUvarint(append(b, 0), collections.MaxInsert)
	}
	return b
}

// TestMalformed: each makes a delta void.
func TestMalformed(t *testing.T) {
	stamp := append(binary.BigEndian.AppendUint64(nil, 9<<16), make([]byte, 8)...)
	list := []byte{1, 2, 0, 0, 1, 'l', byte(collections.List), 0}
	set := []byte{1, 2, 0, 0, 1, 's', byte(collections.Set), 0}
	text := []byte{1, 2, 0, 0, 1, 't', byte(collections.Text), 0}
	counter := []byte{1, 2, 0, 0, 1, 'c', byte(collections.Counter), 0}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	deep := []byte{1}
	for i := range 9 {
		deep = append(deep, 2, byte(i), 0, 1, 'm', byte(collections.Map), 0)
	}
	var m collections.Mem
	for name, ops := range map[string][]byte{
		"no operation":        {1},
		"version 0":           {0, 2, 0, 0, 1, 'm', byte(collections.Map), 0},
		"version 2":           {2, 2, 0, 0, 1, 'm', byte(collections.Map), 0},
		"no code":             {1, 0, 0},
		"unknown code":        {1, 16, 0},
		"no such object":      {1, 5, 1, 1, 'k', 0},
		"put in the root":     {1, 5, 0, 1, 'k', 0},
		"of another kind":     join(list, []byte{5, 1, 1, 'k', 0}),
		"no name":             {1, 2, 0, 0, 0, byte(collections.Map), 0},
		"no UTF-8 name":       {1, 2, 0, 0, 1, 0xff, byte(collections.Map), 0},
		"no kind":             {1, 2, 0, 0, 1, 'm', 0, 0},
		"the root's kind":     {1, 2, 0, 0, 1, 'm', 254, 0},
		"wrong flags":         {1, 2, 0, 0, 1, 'm', byte(collections.List), 1},
		"unknown flags":       {1, 2, 0, 0, 1, 'm', byte(collections.Map), 2},
		"an element of a map": join([]byte{1, 1, 0, 1}, stamp, []byte{0, byte(collections.Map), 0, 1}),
		"made in a list":      join(list, []byte{2, 1, 1}, stamp, []byte{0, byte(collections.Map), 0}),
		"too deep":            deep,
		"cut short":           opsOf(func(b []byte) []byte { return append(b, 5, 1, 9, 'k') }),
		"a longer number":     opsOf(func(b []byte) []byte { return append(b, 5, 1, 0x81, 0, 'k', 0) }),
		"a huge number": opsOf(func(b []byte) []byte {
			return append(b, 5, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
		}),
		"a huge count":          join(list, []byte{11, 1, 0, 0xff, 0xff, 0x03}),
		"a huge count of spans": join(list, []byte{14, 1, 0xff, 0xff, 0x7f}),
		"no values":             join(list, []byte{11, 1, 0, 0}),
		"no key":                opsOf(func(b []byte) []byte { return append(b, 5, 1, 0, 0) }),
		"no stamp seen":         opsOf(func(b []byte) []byte { return append(b, 6, 1, 1, 'k', 0) }),
		"two stamps seen":       opsOf(func(b []byte) []byte { return join(b, []byte{6, 1, 1, 'k', 2}, stamp, stamp) }),
		"stamps twice":          join(set, []byte{8, 1, 1, 'k', 2}, stamp, stamp),
		"a zero stamp":          join(set, []byte{8, 1, 1, 'k', 1}, make([]byte, 16)),
		"no text":               join(text, []byte{15, 1, 0, 0}),
		"not UTF-8":             join(text, []byte{15, 1, 0, 1, 0xff}),
		"a side":                join(text, []byte{15, 1, 3}, stamp, []byte{0, 1, 'x'}),
		"a span of none":        join(text, []byte{14, 1, 1}, stamp, []byte{0, 0}),
		"a span beyond":         join(text, []byte{14, 1, 1}, stamp, []byte{1}, binary.AppendUvarint(nil, collections.MaxInsert)),
		"by nothing":            join(counter, []byte{10, 1, 0}),
	} {
		if writes, err := collections.Fold(&m, ops, collections.Origin{Time: 10 << 16}); !errors.Is(err, collections.ErrOps) || writes != nil {
			t.Errorf("%s: %d writes, %v", name, len(writes), err)
		}
	}
	// And the forms that they were made of are well.
	for name, ops := range map[string][]byte{
		"list": join(list, []byte{11, 1, 0, 1, 0}), "set": join(set, []byte{8, 1, 1, 'k', 1}, stamp), "text": join(text, []byte{15, 1, 2}, stamp, []byte{0, 1, 'x'}),
		"counter": join(counter, []byte{10, 1, 1}), "map": opsOf(func(b []byte) []byte { return append(b, 5, 1, 1, 'k', 0) }), "deep": deep[:len(deep)-7],
		"spans": join(text, []byte{14, 1, 1}, stamp, []byte{1}, binary.AppendUvarint(nil, collections.MaxInsert-1)),
	} {
		if _, err := collections.Fold(&m, ops, collections.Origin{Time: 10 << 16}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// broken is a state below that fails.
type broken struct {
	collections.Mem
	err error
}

func (b *broken) Get(key []byte) ([]byte, bool, error) { return nil, false, b.err }

// TestKVFails: an error of the state below is neither void nor lost.
func TestKVFails(t *testing.T) {
	kv := &broken{err: errors.New("disk")}
	_, err := collections.Fold(kv, puts(1, nil), collections.Origin{Time: 1 << 16})
	if limit := (*collections.LimitError)(nil); !errors.Is(err, kv.err) || errors.Is(err, collections.ErrOps) || errors.As(err, &limit) {
		t.Errorf("Fold: %v", err)
	}
	tx := collections.Begin(kv, collections.Origin{Time: 1 << 16})
	if _, err := tx.Open(0, []byte("m"), collections.Map, 0); !errors.Is(err, kv.err) {
		t.Errorf("Open: %v", err)
	}
}

// strict is a state below that knows no keys longer than a store may have.
type strict struct {
	collections.Mem
	t *testing.T
}

func (s *strict) Get(key []byte) ([]byte, bool, error) {
	if len(key) > 512 {
		s.t.Errorf("Get of a key of %d bytes", len(key))
	}
	return s.Mem.Get(key)
}

func (s *strict) Range(prefix, after []byte, limit int) ([]collections.Entry, error) {
	if len(prefix) > 512 || len(after) > 512 {
		s.t.Errorf("Range from a key of %d bytes", len(after))
	}
	return s.Mem.Range(prefix, after, limit)
}

// TestLongKeys: what an application asks for does not get below if it is too long.
func TestLongKeys(t *testing.T) {
	kv := &strict{t: t}
	o := collections.Origin{Time: 1 << 16}
	tx := collections.Begin(kv, o)
	r := open(t, tx, "m", collections.Map, 0)
	longest := bytes.Repeat([]byte("k"), collections.MaxKey)
	must(t, tx.Put(r, longest, nil))
	must(t, tx.Put(r, []byte("l"), nil))
	writes, err := tx.Writes()
	must(t, err)
	kv.Apply(writes)
	tx = collections.Begin(kv, o)
	r = open(t, tx, "m", collections.Map, 0)
	long := bytes.Repeat([]byte("k"), 10_000)
	for name, err := range map[string]error{
		"Has": second(tx.Has(r, long)), "KindOf": second(tx.KindOf(r, long)), "Remove": second(tx.Remove(r, long)),
		"Add": second(tx.Add(open(t, tx, "s", collections.Set, 0), long)), "Put": tx.Put(r, long, nil),
	} {
		if !errors.Is(err, collections.ErrKeySize) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := tx.Get(r, long); !errors.Is(err, collections.ErrKeySize) {
		t.Errorf("Get: %v", err)
	}
	if items := must1[[]collections.Item](t)(tx.Scan(r, long, nil, 9)); len(items) != 1 || string(items[0].Key) != "l" {
		t.Errorf("after a long key: %v", items)
	}
	if items := must1[[]collections.Item](t)(tx.Scan(r, nil, long, 9)); len(items) != 1 || len(items[0].Key) != collections.MaxKey {
		t.Errorf("up to a long key: %v", items)
	}
}
