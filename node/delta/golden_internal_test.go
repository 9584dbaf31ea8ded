package delta

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/detcbor"
	"mero/node/ident"
)

// The golden vectors pin the byte forms, which are final: a change that makes these
// tests fail makes every stored and travelling delta unreadable. There is no flag
// that rewrites the files.

func seed(first byte) (s [32]byte) {
	for i := range s {
		s[i] = first + byte(i)
	}
	return s
}

func goldenGenesis() Genesis {
	return Genesis{
		Semantics: 1, App: seed(0x10), Code: seed(0x11), Package: "org.example.notes", Version: "1.2.3",
		SealKey: seed(0x12), StateQuota: 1 << 30, Rate: 600, TopicSecret: seed(0x13),
	}
}

func goldenState() State {
	return State{
		Artifact: []byte("artifact"), GuestRoot: seed(0x20), Depth: 2,
		Events: []Event{
			{Kind: "Inserted", Data: []byte(`{"key":"k"}`), Handler: "on_insert"},
			{Kind: "Empty"},
		},
	}
}

func goldenCall() State {
	return State{Call: &Call{Method: "set", Input: []byte(`{"a":1}`), Seed: seed(0x21)}}
}

func goldenDelta(t *testing.T, genesis bool) *Delta {
	t.Helper()
	context, author := ident.PrivateKeyFromSeed(seed(1)), ident.PrivateKeyFromSeed(seed(2))
	h := Header{
		Context: ident.ContextID(context.Public()), Kind: KindState, Author: author.Public(),
		Incarnation: Incarnation{1, 2, 3, 4, 5, 6, 7, 8}, Seq: 300,
		Parents: []ID{seed(0x41), seed(0x40)}, Time: 27465820312 * Tick,
	}
	by, nonce := signers{author: author}, [nonceSize]byte(bytes.Repeat([]byte{0x55}, nonceSize))
	wraps := []Wrap{
		{Member: seed(0x31), Wrapped: bytes.Repeat([]byte{0x99}, wrappedSize)},
		{Member: seed(0x30), Wrapped: bytes.Repeat([]byte{0x88}, wrappedSize)},
	}
	payload, err := EncodeState(goldenState())
	if genesis {
		h.Kind, h.Parents, h.Seq, h.Time, by.context = KindGenesis, nil, 1, Tick, &context
		wraps = nil
		payload, err = EncodeGenesis(goldenGenesis())
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := seal(h, payload, seed(3), wraps, by, nonce)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// golden reads a file of hexadecimal digits, of which white space is no part.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestGoldenDeltas(t *testing.T) {
	for name, row := range map[string]struct {
		genesis bool
		id      string
	}{
		"genesis.hex": {true, "HeEppzd7KQiALEZs8xuHW5q8YMXHmRMFLKVjkd1DL6qE"},
		"state.hex":   {false, "5nhqMS4bFkkVV422frcfrGVFJ3NMoweTkf5DJQKG9e3g"},
	} {
		made, want := goldenDelta(t, row.genesis), golden(t, name)
		if diff := cmp.Diff(hex.EncodeToString(want), hex.EncodeToString(made.Bytes())); diff != "" {
			t.Errorf("%s: Seal (-golden +got):\n%s", name, diff)
		}
		opened, err := Open(want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := opened.ID().String(); got != row.id {
			t.Errorf("%s: id %s, want %s", name, got, row.id)
		}
		if diff := cmp.Diff(made, opened, cmp.AllowUnexported(Delta{})); diff != "" {
			t.Errorf("%s: sealed and opened differ (-sealed +opened):\n%s", name, diff)
		}
		payload, err := opened.Payload(seed(3))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var content, wanted any
		if row.genesis {
			wanted = goldenGenesis()
			content, err = DecodeGenesis(payload)
		} else {
			wanted = goldenState()
			content, err = DecodeState(payload)
		}
		if diff := cmp.Diff(wanted, content, equateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: payload: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// equateEmpty takes an empty and a nil event data for one.
func equateEmpty() cmp.Option {
	return cmp.Transformer("empty", func(b []byte) string { return string(b) })
}

func TestGoldenCall(t *testing.T) {
	got, err := EncodeState(goldenCall())
	if err != nil {
		t.Fatal(err)
	}
	if want := golden(t, "call.hex"); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// A key that was wrapped once has to open for ever.
func TestGoldenWrap(t *testing.T) {
	member, err := ident.SealKeyFromSeed(seed(4))
	if err != nil {
		t.Fatal(err)
	}
	d := goldenDelta(t, false)
	d.wraps = []Wrap{{Member: seed(0x30), Wrapped: golden(t, "wrap.hex")}}
	key, err := UnwrapEpoch(d, seed(0x30), member)
	if err != nil || key != seed(3) {
		t.Errorf("got %x, %v", key[:], err)
	}
}

func TestLibraryModesAreValid(t *testing.T) {
	if encMode == nil || decMode == nil {
		t.Fatal("no mode")
	}
	if _, err := detcbor.EncMode(); err != nil {
		t.Error(err)
	}
	if _, err := payloadLimits.DecMode(); err != nil {
		t.Error(err)
	}
}

func FuzzHeader(f *testing.F) {
	for _, genesis := range []bool{true, false} {
		h := goldenHeader(genesis)
		f.Add(h.encode())
		later := h
		later.Version = 2
		raw := later.encode()
		raw[0]++
		f.Add(append(raw, 0x81, 0x07))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := decodeHeader(raw)
		if err != nil {
			return
		}
		again := h.encode()
		if h.Version == version && !bytes.Equal(again, raw) {
			t.Fatalf("%x reads as %+v, which is %x", raw, h, again)
		}
		if !bytes.HasPrefix(raw[1:], again[1:]) {
			t.Fatalf("the first ten elements of %x read as %x", raw, again)
		}
		var items []any // the first ten as values: what may follow need not be a Go value
		if err := decMode.Unmarshal(again, &items); err != nil {
			t.Fatalf("%x is accepted, and the library says %v", raw, err)
		}
		if lib, err := encMode.Marshal(items); err != nil || !bytes.Equal(lib, again) {
			t.Fatalf("the library writes %x as %x, %v", raw, lib, err)
		}
		if err := decMode.Wellformed(raw); err != nil {
			t.Fatalf("%x is accepted, and the library says %v", raw, err)
		}
	})
}

func goldenHeader(genesis bool) Header {
	h := Header{Version: 1, Context: seed(1), Kind: KindGenesis, Author: seed(2), Seq: 1, Time: Tick, Epoch: seed(5), Body: seed(6)}
	if !genesis {
		h.Kind, h.Parents, h.Seq, h.Time = KindState, []ID{seed(7), seed(8)}, 70000, MaxTime
	}
	return h
}

func FuzzBody(f *testing.F) {
	sealed := make([]byte, nonceSize+tagSize)
	wrap := Wrap{Member: seed(1), Wrapped: make([]byte, wrappedSize)}
	f.Add(encodeBody(nil, sealed))
	f.Add(encodeBody([]Wrap{wrap}, slices.Concat(sealed, []byte("payload"))))
	f.Add(encodeBody([]Wrap{wrap, wrap}, sealed))
	f.Fuzz(func(t *testing.T, raw []byte) {
		wraps, sealed, err := decodeBody(raw)
		if err != nil {
			return
		}
		if again := encodeBody(wraps, sealed); !bytes.Equal(again, raw) {
			t.Fatalf("%x reads as %x", raw, again)
		}
		var items []any
		if err := decMode.Unmarshal(raw, &items); err != nil {
			t.Fatalf("%x is accepted, and the library says %v", raw, err)
		}
		if lib, err := encMode.Marshal(items); err != nil || !bytes.Equal(lib, raw) {
			t.Fatalf("the library writes %x as %x, %v", raw, lib, err)
		}
	})
}

func TestGoldenMembers(t *testing.T) {
	revoked := seed(0x34)
	for name, m := range map[string]Member{
		"admit.hex": {Admit: &Admit{
			Key: seed(0x32), Seal: seed(0x33), Role: 3, Invitation: []byte("invitation"), Request: []byte("request"),
		}},
		"revoke.hex": {Revoke: &revoked},
	} {
		got, err := EncodeMember(m)
		if err != nil {
			t.Fatal(err)
		}
		if want := golden(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
	}
}
