package artifact_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/artifact"
	"mero/node/ident"
)

func TestLayoutsAreTold(t *testing.T) {
	for _, l := range all() {
		if diff := cmp.Diff([]artifact.Layout{l}, artifact.Layouts(telling(l))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", l, diff)
		}
	}
}

// What an artifact without any of the later parts fits.
func TestLayoutsThatCannotBeTold(t *testing.T) {
	plain := step{tag: 3, id: bytes32(1), data: "root", meta: meta{created: 1, updated: 2}}
	for _, group := range [][]artifact.Layout{
		{artifact.L1, artifact.L2}, {artifact.L3}, {artifact.L3b}, {artifact.L4, artifact.L5, artifact.L6}, {artifact.L7},
	} {
		for _, l := range group {
			if diff := cmp.Diff(group, artifact.Layouts(write(l, plain))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", l, diff)
			}
		}
	}
	if diff := cmp.Diff(all(), artifact.Layouts(write(artifact.L1))); diff != "" {
		t.Errorf("no actions (-want +got):\n%s", diff)
	}
}

func TestForeignBytesFitNothing(t *testing.T) {
	good := telling(artifact.L7)
	compare := step{tag: 1, id: bytes32(1)}
	writers := func(keys ...[32]byte) step {
		return step{tag: 0, meta: meta{storage: storage{tag: 3, keys: keys}}}
	}
	for name, raw := range map[string][]byte{
		"empty":                 nil,
		"text":                  []byte("hello, world"),
		"JSON":                  []byte(`{"a":1}`),
		"zeros":                 make([]byte, 4),
		"trailing byte":         append(bytes.Clone(good), 0),
		"comparisons":           append([]byte{1}, good[1:]...),
		"causal actions":        append([]byte{2}, good[1:]...),
		"unknown tag":           append([]byte{3}, good[1:]...),
		"unknown action":        write(artifact.L7, step{tag: 4}),
		"count of 2^32-1":       {0, 0xff, 0xff, 0xff, 0xff},
		"one more than there":   {0, 1, 0, 0, 0},
		"compare in L7":         write(artifact.L7, step{tag: 3, meta: meta{schema: 1, crdt: []any{13}}}, compare),
		"data of 2^32-1":        append(write(artifact.L1, step{tag: 3})[:5+33], 0xff, 0xff, 0xff, 0xff),
		"unsorted writers":      write(artifact.L7, writers(bytes32(2), bytes32(1))),
		"writer twice":          write(artifact.L6, writers(bytes32(2), bytes32(2))),
		"shared before L6":      write(artifact.L3, writers(bytes32(2))),
		"CRDT type of later":    write(artifact.L7, step{tag: 0, meta: meta{crdt: []any{14}}}),
		"storage type of later": write(artifact.L7, step{tag: 0, meta: meta{storage: storage{tag: 5}}}),
		"field not UTF-8":       write(artifact.L7, step{tag: 0, meta: meta{field: "\xff"}}),
		"option of 2":           append(write(artifact.L7, step{tag: 0})[:len(write(artifact.L7, step{tag: 0}))-1], 2),
	} {
		if got := artifact.Layouts(raw); got != nil {
			t.Errorf("%s: fits %v", name, got)
		}
	}
}

func TestCompareActions(t *testing.T) {
	raw := write(artifact.L1, step{tag: 1, id: bytes32(1)})
	want := all()[:len(all())-1]
	if diff := cmp.Diff(want, artifact.Layouts(raw)); diff != "" {
		t.Errorf("all but L7 (-want +got):\n%s", diff)
	}
}

func TestEveryByteIsAccountedFor(t *testing.T) {
	for _, l := range all() {
		raw := telling(l)
		for n := range raw {
			if slices.Contains(artifact.Layouts(raw[:n]), l) {
				t.Errorf("%s: fits when cut to %d of %d bytes", l, n, len(raw))
			}
		}
		if slices.Contains(artifact.Layouts(append(bytes.Clone(raw), 0)), l) {
			t.Errorf("%s: fits with a byte too many", l)
		}
	}
}

func TestTimes(t *testing.T) {
	const late = 1 << 60
	older := meta{created: 3, updated: 4}
	ancestor := func(m meta) []child { return []child{{meta: older}, {meta: m}} }
	nonce := storage{tag: 1, keys: make([][32]byte, 1), signature: &signature{nonce: late}}
	for name, row := range map[string]struct {
		step step
		from artifact.Layout // first layout that has the place
		to   artifact.Layout
	}{
		"created":             {step{tag: 0, meta: meta{created: late}}, artifact.L1, artifact.L7},
		"updated":             {step{tag: 3, meta: meta{updated: late}}, artifact.L1, artifact.L7},
		"ancestor created":    {step{tag: 3, ancestors: ancestor(meta{created: late})}, artifact.L1, artifact.L7},
		"ancestor updated":    {step{tag: 0, ancestors: ancestor(meta{updated: late})}, artifact.L1, artifact.L7},
		"ancestor of deleted": {step{tag: 2, ancestors: ancestor(meta{updated: late})}, artifact.L1, artifact.L1},
		"deleted":             {step{tag: 2, deleted: late}, artifact.L2, artifact.L7},
		"metadata of deleted": {step{tag: 2, meta: meta{created: late}}, artifact.L3, artifact.L7},
		"nonce":               {step{tag: 0, meta: meta{storage: nonce}}, artifact.L3, artifact.L7},
		"nonce of ancestor":   {step{tag: 0, ancestors: ancestor(meta{storage: nonce})}, artifact.L3, artifact.L7},
	} {
		other := step{tag: 3, meta: older, ancestors: []child{{meta: older}}}
		for _, l := range all() {
			if l < row.from || l > row.to {
				continue
			}
			for _, steps := range [][]step{{row.step, other}, {other, row.step}} {
				if got, ok := artifact.Times(write(l, steps...), l); !ok || got != late {
					t.Errorf("%s in %s: got %d, %v", name, l, got, ok)
				}
			}
		}
	}
	if got, ok := artifact.Times(nil, artifact.L3); got != 0 || !ok {
		t.Errorf("empty: got %d, %v", got, ok)
	}
	for name, l := range map[string]artifact.Layout{"another layout": artifact.L1, "no layout": 0, "layout 9": 9, "layout 255": 255} {
		if got, ok := artifact.Times(telling(artifact.L7), l); got != 0 || ok {
			t.Errorf("%s: got %d, %v", name, got, ok)
		}
	}
}

func names(layouts []artifact.Layout) string {
	var s []string
	for _, l := range layouts {
		s = append(s, l.String())
	}
	return "[" + strings.Join(s, " ") + "]"
}

func TestNames(t *testing.T) {
	if got := names(append(all(), 0, 200)); got != "[L1 L2 L3 L3b L4 L5 L6 L7 layout 0 layout 200]" {
		t.Errorf("got %s", got)
	}
}

// published is what a published binary handed to commit, as the reference's node
// would see it, and what its peers accepted. Signatures are by the key below.
type published struct {
	App, Method string
	Time        uint64 // of the call
	Layouts     string
	Artifact    string
	Signatures  int
	Signed      string
}

func readPublished(t testing.TB) []published {
	t.Helper()
	text, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []published
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func publishedKey() ident.PrivateKey {
	return ident.PrivateKeyFromSeed([32]byte(bytes.Repeat([]byte("probe "), 6)[:32]))
}

// Artifacts of published binaries. The signed ones went through the binary's own
// __calimero_sync_next.
func TestPublishedArtifacts(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range readPublished(t) {
		raw, err := hex.DecodeString(p.Artifact)
		if err != nil {
			t.Fatal(err)
		}
		layouts := artifact.Layouts(raw)
		if got := names(layouts); got != p.Layouts {
			t.Errorf("%s %s: fits %s, want %s", p.App, p.Method, got, p.Layouts)
		}
		for _, l := range layouts {
			seen[l.String()] = true
			// The guest reads its clock at the time of the call or within the tick.
			if latest, ok := artifact.Times(raw, l); !ok || latest < p.Time || latest > p.Time+65535 {
				t.Errorf("%s %s in %s: latest %d, %v; called at %d", p.App, p.Method, l, latest, ok, p.Time)
			}
		}
		signed, n, err := artifact.Sign(raw, publishedKey())
		if err != nil || n != p.Signatures {
			t.Errorf("%s %s: %d signatures, %v; want %d", p.App, p.Method, n, err, p.Signatures)
		}
		if want := p.Signed; n > 0 && hex.EncodeToString(signed) != want {
			t.Errorf("%s %s: signed is\n%x, want\n%s", p.App, p.Method, signed, want)
		}
	}
	for _, l := range all() {
		if !seen[l.String()] {
			t.Errorf("no published artifact fits %s", l)
		}
	}
}

// A megabyte of hostile counts must not cost more than reading it.
func TestWorkIsBounded(t *testing.T) {
	for name, fill := range map[string]byte{"zeros": 0, "ones": 1, "threes": 3, "all bits": 0xff} {
		raw := bytes.Repeat([]byte{fill}, 4<<20)
		raw[0] = 0
		binary.LittleEndian.PutUint32(raw[1:], uint32(len(raw)/40))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = artifact.Layouts(raw)
		_, _, _ = artifact.Sign(raw, publishedKey())
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(8*len(raw)) {
			t.Errorf("%s: %d bytes of memory for %d", name, grown, len(raw))
		}
	}
}

func FuzzArtifact(f *testing.F) {
	for _, l := range all() {
		f.Add(telling(l))
	}
	for _, p := range readPublished(f) {
		raw, err := hex.DecodeString(p.Artifact)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	key := publishedKey()
	f.Fuzz(func(t *testing.T, raw []byte) {
		layouts := artifact.Layouts(raw)
		for _, l := range all() {
			_, ok := artifact.Times(raw, l)
			if fits := slices.Contains(layouts, l); ok != fits && len(raw) > 0 {
				t.Fatalf("%s: Times says %v, Layouts %v", l, ok, layouts)
			}
		}
		before := bytes.Clone(raw)
		signed, n, err := artifact.Sign(raw, key)
		if !bytes.Equal(raw, before) {
			t.Fatal("Sign changed its input")
		}
		if err != nil {
			if !bytes.Equal(signed, raw) || n != 0 {
				t.Fatal("an error and a change")
			}
			return
		}
		if len(signed) != len(raw) || n == 0 && !bytes.Equal(signed, raw) {
			t.Fatalf("%d signatures, %d of %d bytes", n, len(signed), len(raw))
		}
		again, m, err := artifact.Sign(signed, key)
		if err == nil && slices.Equal(artifact.Layouts(signed), layouts) && (m > n || !bytes.Equal(again, signed)) {
			t.Fatalf("signing again gives %d signatures after %d, or others", m, n)
		}
	})
}

// benched is an artifact of 600 bytes or of 600 KB.
func benched(actions int) []byte {
	steps := make([]step, actions)
	for i := range steps {
		steps[i] = step{tag: 3, data: "some value of an entry", ancestors: make([]child, 3)}
	}
	return write(artifact.L4, steps...)
}

func BenchmarkLayouts(b *testing.B) {
	for name, raw := range map[string][]byte{"600B": benched(2), "600KB": benched(1500)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				artifact.Layouts(raw)
			}
		})
	}
}

// One layout is pinned, three are, or it is the first artifact.
func BenchmarkCheck(b *testing.B) {
	pins := map[string]uint16{"one": artifact.L4.Bit(), "three": artifact.L4.Bit() | artifact.L5.Bit() | artifact.L6.Bit(), "all": 0xffff}
	for size, raw := range map[string][]byte{"600B": benched(2), "600KB": benched(1500)} {
		for name, pinned := range pins {
			b.Run(size+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					if fits, late := artifact.Check(raw, pinned, 1); fits == 0 || late {
						b.Fatal(fits, late)
					}
				}
			})
		}
	}
}
