package artifact_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mero/node/artifact"
	"mero/node/ident"
)

func TestDecode(t *testing.T) {
	signed := &signature{nonce: 9, signer: &[32]byte{3}}
	signed.bytes[0], signed.bytes[63] = 1, 2
	parents := []child{{id: bytes32(1), meta: meta{created: 99, field: "ancestor"}}, {id: bytes32(2)}}
	keys := [][32]byte{bytes32(10), bytes32(11)}
	steps := []step{
		{tag: 0, id: bytes32(3), data: "entry", ancestors: parents, meta: meta{created: 5, updated: 6, field: "items", schema: 4, crdt: []any{4, "String", "u64"}}},
		{tag: 3, id: bytes32(4), meta: meta{created: 5, updated: 7, crdt: []any{13}, storage: storage{tag: 1, keys: keys[:1], signature: signed}}},
		{tag: 2, id: bytes32(5), deleted: 8, meta: meta{storage: storage{tag: 3, keys: keys}}},
		{tag: 3, id: bytes32(6), meta: meta{storage: storage{tag: 4, keys: keys, signature: &signature{}}}},
		{tag: 3, id: bytes32(7), meta: meta{storage: storage{tag: 2}}},
	}
	signer := ident.PublicKey{3}
	want := &artifact.Decoded{Layout: artifact.L7, Actions: []artifact.Action{
		{
			Kind: artifact.ActionAdd, ID: bytes32(3), Data: []byte("entry"), Ancestors: []artifact.EntryID{bytes32(1), bytes32(2)},
			Created: 5, Updated: 6, Type: "UnorderedMap(String, u64)", Field: "items", Schema: 4,
		},
		{
			Kind: artifact.ActionUpdate, ID: bytes32(4), Data: []byte{}, Created: 5, Updated: 7, Type: "RotationLog",
			Storage: &artifact.Storage{
				Kind: artifact.StorageUser, Owner: bytes32(10),
				Signature: &artifact.Signature{Bytes: signed.bytes, Nonce: 9, Signer: &signer},
			},
		},
		{
			Kind: artifact.ActionDelete, ID: bytes32(5), Deleted: 8,
			Storage: &artifact.Storage{Kind: artifact.StorageShared, Writers: []artifact.Writer{{bytes32(10), 7}, {bytes32(11), 7}}},
		},
		{
			Kind: artifact.ActionUpdate, ID: bytes32(6), Data: []byte{},
			Storage: &artifact.Storage{Kind: artifact.StorageMember, Anchor: bytes32(10), Signature: &artifact.Signature{}},
		},
		{Kind: artifact.ActionUpdate, ID: bytes32(7), Data: []byte{}, Storage: &artifact.Storage{Kind: artifact.StorageFrozen}},
	}}
	got, err := artifact.Decode(write(artifact.L7, steps...), artifact.L7)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDecodeOlder(t *testing.T) {
	raw := write(artifact.L1,
		step{tag: 2, id: bytes32(5), ancestors: []child{{id: bytes32(1)}}},
		step{tag: 1, id: bytes32(6)},
	)
	want := &artifact.Decoded{Layout: artifact.L1, Actions: []artifact.Action{
		{Kind: artifact.ActionDelete, ID: bytes32(5), Ancestors: []artifact.EntryID{bytes32(1)}},
		{Kind: artifact.ActionCompare, ID: bytes32(6)},
	}}
	got, err := artifact.Decode(raw, artifact.L1)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("L1: %v (-want +got):\n%s", err, diff)
	}
	shared := step{tag: 0, meta: meta{storage: storage{tag: 3, keys: [][32]byte{bytes32(1), bytes32(2)}}}}
	got, err = artifact.Decode(write(artifact.L6, shared), artifact.L6)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]artifact.Writer{{Key: bytes32(1)}, {Key: bytes32(2)}}, got.Actions[0].Storage.Writers); diff != "" {
		t.Errorf("writers of L6 (-want +got):\n%s", diff)
	}
	got, err = artifact.Decode(nil, artifact.L4)
	if diff := cmp.Diff(&artifact.Decoded{Layout: artifact.L4}, got); diff != "" || err != nil {
		t.Errorf("empty: %v (-want +got):\n%s", err, diff)
	}
	if _, err := artifact.Decode(append(bytes.Clone(raw), 0), artifact.L1); !errors.Is(err, artifact.ErrLayout) {
		t.Errorf("with a byte too many: %v", err)
	}
	for _, l := range []artifact.Layout{0, 9, artifact.L3} {
		if _, err := artifact.Decode(raw, l); !errors.Is(err, artifact.ErrLayout) {
			t.Errorf("in %s: %v", l, err)
		}
	}
}

// Every tag that a layout has is named.
func TestTypeNames(t *testing.T) {
	for _, row := range []struct {
		layout artifact.Layout
		tag    int
		args   []any
		want   string
	}{
		{artifact.L3b, 9, []any{"X"}, "Custom(X)"},
		{artifact.L4, 8, nil, "Record"},
		{artifact.L5, 0, []any{"X"}, "Lww(X)"},
		{artifact.L5, 9, []any{""}, "Custom()"},
		{artifact.L6, 10, []any{"X"}, "Custom(X)"},
		{artifact.L6, 5, []any{"X"}, "UnorderedSet(X)"},
		{artifact.L7, 7, []any{"X"}, "SortedSet(X)"},
		{artifact.L7, 12, []any{"X"}, "Custom(X)"},
		{artifact.L7, 13, nil, "RotationLog"},
	} {
		raw := write(row.layout, step{tag: 0, meta: meta{crdt: append([]any{row.tag}, row.args...)}})
		got, err := artifact.Decode(raw, row.layout)
		if err != nil || got.Actions[0].Type != row.want {
			t.Errorf("%s %d: got %v, %v, want %s", row.layout, row.tag, got, err, row.want)
		}
	}
	for _, row := range []struct{ got, want string }{
		{artifact.ActionCompare.String(), "compare"},
		{artifact.ActionKind(4).String(), "action 4"},
		{artifact.StorageMember.String(), "member"},
		{artifact.StorageKind(5).String(), "storage 5"},
	} {
		if row.got != row.want {
			t.Errorf("got %q, want %q", row.got, row.want)
		}
	}
}

// again writes what was decoded, for what the notation of the tests can say.
func again(d *artifact.Decoded) []byte {
	var steps []step
	for _, a := range d.Actions {
		s := step{tag: byte(a.Kind), id: a.ID, data: string(a.Data), deleted: a.Deleted}
		s.meta = meta{created: a.Created, updated: a.Updated, field: a.Field, schema: a.Schema}
		if st := a.Storage; st != nil {
			s.meta.storage = storage{tag: byte(st.Kind)}
			switch st.Kind {
			case artifact.StorageUser:
				s.meta.storage.keys = [][32]byte{st.Owner}
			case artifact.StorageMember:
				s.meta.storage.keys = [][32]byte{st.Anchor}
			case artifact.StorageFrozen:
			case artifact.StorageShared:
				for _, w := range st.Writers {
					s.meta.storage.keys = append(s.meta.storage.keys, w.Key)
				}
			}
			if sig := st.Signature; sig != nil {
				s.meta.storage.signature = &signature{bytes: sig.Bytes, nonce: sig.Nonce, signer: (*[32]byte)(sig.Signer)}
			}
		}
		for _, id := range a.Ancestors {
			s.ancestors = append(s.ancestors, child{id: id})
		}
		steps = append(steps, s)
	}
	return write(d.Layout, steps...)
}

// Published artifacts, decoded and written again: only what is not decoded, hashes
// and metadata of ancestors and types, may differ, and decoding again gives the same.
func TestDecodePublished(t *testing.T) {
	for _, p := range readPublished(t) {
		raw, err := hex.DecodeString(p.Artifact)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range artifact.Layouts(raw) {
			d, err := artifact.Decode(raw, l)
			if err != nil {
				t.Fatal(err)
			}
			checkRoundTrip(t, d)
		}
	}
}

func checkRoundTrip(t *testing.T, d *artifact.Decoded) {
	t.Helper()
	back, err := artifact.Decode(again(d), d.Layout)
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Actions {
		d.Actions[i].Type = ""
	}
	same := func(a, b artifact.Writer) bool { return a.Key == b.Key } // the notation has one mask
	if diff := cmp.Diff(d, back, cmp.Comparer(same), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-first +again):\n%s", d.Layout, diff)
	}
}

func TestCheck(t *testing.T) {
	set := func(layouts ...artifact.Layout) (bits uint16) {
		for _, l := range layouts {
			bits |= l.Bit()
		}
		return bits
	}
	plain := write(artifact.L4, step{tag: 3, meta: meta{created: 7, updated: 5}})
	for name, row := range map[string]struct {
		raw    []byte
		pinned uint16
		limit  uint64
		fits   uint16
		late   bool
	}{
		"all":               {plain, 0xffff, 7, set(artifact.L4, artifact.L5, artifact.L6), false},
		"late":              {plain, 0xffff, 6, set(artifact.L4, artifact.L5, artifact.L6), true},
		"one":               {plain, set(artifact.L5), 7, set(artifact.L5), false},
		"late in one":       {plain, set(artifact.L5, artifact.L1), 6, set(artifact.L5), true},
		"another":           {plain, set(artifact.L1, artifact.L7), 0, 0, false},
		"none pinned":       {plain, 1 | 1<<9 | 1<<15, 0, 0, false},
		"foreign":           {[]byte("hello"), 0xffff, 0, 0, false},
		"empty":             {nil, 0xffff, 0, set(all()...), false},
		"empty, one pinned": {[]byte{}, set(artifact.L2) | 1, 0, set(artifact.L2), false},
	} {
		if fits, late := artifact.Check(row.raw, row.pinned, row.limit); fits != row.fits || late != row.late {
			t.Errorf("%s: got %b, %v, want %b, %v", name, fits, late, row.fits, row.late)
		}
	}
	if artifact.Layout(0).Bit() != 0 || artifact.Layout(9).Bit() != 0 || artifact.L1.Bit() != 2 || artifact.L7.Bit() != 256 {
		t.Error("the bits of the layouts have changed")
	}
	large := benched(1500)
	if n := testing.AllocsPerRun(10, func() { artifact.Check(large, 0xffff, 0) }); n > 0 {
		t.Errorf("%v pieces of memory for a check", n)
	}
}

// Bytes that fit two layouts and are late in the first alone: what is the ancestor of
// a deletion in L1 is a deletion and an update in L2.
func TestCheckLateInEither(t *testing.T) {
	const late = 1 << 60
	parent := child{meta: meta{created: late}}
	parent.id[4], parent.hash[5] = 3, 52 // tag of the update, length of its data
	raw := write(artifact.L1, step{tag: 2, ancestors: []child{parent}}, step{tag: 1})
	first, _ := artifact.Times(raw, artifact.L1)
	second, ok := artifact.Times(raw, artifact.L2)
	if first != late || second >= late || !ok {
		t.Fatalf("latest %d in L1, %d in L2, %v", first, second, ok)
	}
	both := artifact.L1.Bit() | artifact.L2.Bit()
	if fits, is := artifact.Check(raw, both, late-1); fits != both || !is {
		t.Errorf("fits %b, late %v", fits, is)
	}
	if fits, is := artifact.Check(raw, artifact.L2.Bit(), late-1); fits != artifact.L2.Bit() || is {
		t.Errorf("pinned to L2: fits %b, late %v", fits, is)
	}
}

func TestDecodeIsBounded(t *testing.T) {
	steps := make([]step, 50_000)
	for i := range steps {
		steps[i].tag = 1
	}
	for name, raw := range map[string][]byte{
		"comparisons": write(artifact.L1, steps...),
		"ancestors":   write(artifact.L1, step{tag: 0, ancestors: make([]child, 40_000)}),
		"writers":     nil,
	} {
		l := artifact.L1
		if raw == nil {
			keys := make([][32]byte, 40_000)
			for i := range keys {
				keys[i] = [32]byte{byte(i >> 8), byte(i)}
			}
			l, raw = artifact.L6, write(artifact.L6, step{tag: 0, meta: meta{storage: storage{tag: 3, keys: keys}}})
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := artifact.Decode(raw, l)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		runtime.KeepAlive(d)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(10*len(raw)) {
			t.Errorf("%s: %d bytes of memory for %d", name, grown, len(raw))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, l := range all() {
		f.Add(telling(l))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		layouts := artifact.Layouts(raw)
		before := bytes.Clone(raw)
		for _, l := range all() {
			fits := slices.Contains(layouts, l) || len(raw) == 0
			latest, _ := artifact.Times(raw, l)
			limit := latest
			if latest > 0 {
				limit--
			}
			if got, late := artifact.Check(raw, l.Bit(), limit); got != 0 != fits || late != (fits && latest > 0) {
				t.Fatalf("%s: Check gives %b, %v; Layouts %v, latest %d", l, got, late, layouts, latest)
			}
			d, err := artifact.Decode(raw, l)
			if !fits {
				if !errors.Is(err, artifact.ErrLayout) {
					t.Fatalf("%s: %v", l, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			for _, a := range d.Actions {
				if max(a.Created, a.Updated, a.Deleted) > latest {
					t.Fatalf("%s: a time later than %d: %v", l, latest, a)
				}
			}
			checkRoundTrip(t, d)
		}
		if !bytes.Equal(raw, before) {
			t.Fatal("changed its input")
		}
	})
}
