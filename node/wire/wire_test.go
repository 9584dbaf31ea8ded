package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/wire"
)

// examples is one message of each kind, with every field in use.
func examples() []wire.Message {
	id := func(b byte) (out delta.ID) { out[0], out[31] = b, 1; return out }
	tip := wire.Tip{Author: ident.PublicKey{1}, Incarnation: delta.Incarnation{2}, Seq: 300, ID: id(3)}
	known := wire.Known{Tips: []wire.Tip{tip}, Heads: [32]byte{4}, Root: [32]byte{5}, Deltas: 6, Waiting: 7, Missing: []delta.ID{id(8)}}
	return []wire.Message{
		&wire.Refusal{Code: wire.CodeAskIssuer, Words: "ask the issuer", Addrs: []string{"/ip4/127.0.0.1/tcp/1/p2p/x"}},
		&wire.Hello{Version: wire.Version, Nonce: [16]byte{1}, Tags: []wire.Tag{{2}, {3}}, Clock: 4},
		&wire.Tags{Tags: []wire.Tag{{2}}, Clock: 4},
		&wire.Bindings{Bound: []wire.Bound{{Binding: []byte("b"), Admissions: [][]byte{[]byte("a")}}, {Binding: []byte("c"), Admissions: [][]byte{}}}},
		&wire.Ask{Version: wire.Version, Invitation: []byte("i"), Request: []byte("r")},
		&wire.Admitted{Genesis: []byte("g"), Admission: []byte("a"), App: ident.AppID{1}, Code: [32]byte{2}, Package: "p", Version: "v"},
		&wire.Open{Version: wire.Version, Context: ident.ContextID{9}, Known: known},
		&known,
		&wire.Batch{Envelopes: [][]byte{[]byte("one"), []byte("two")}},
		&wire.Sent{Deltas: 2},
		&wire.Ack{Batches: 3},
		&wire.Beat{Version: wire.Version, Shared: 4, Digest: [32]byte{5}, Clock: 1 << 40},
		&wire.Equal{Clock: 1 << 40},
		&wire.Detail{Clock: 1, States: []wire.State{{Context: ident.ContextID{1}, Heads: [32]byte{2}, Root: [32]byte{3}, Deltas: 4}}},
		&wire.Want{Version: wire.Version, Context: ident.ContextID{1}, Blob: [32]byte{2}, Offset: 3},
		&wire.Size{Bytes: 4},
		&wire.Piece{Data: []byte("p")},
		&wire.KeysAsk{Version: wire.Version, Context: ident.ContextID{1}, Member: ident.PublicKey{2}, Epochs: []delta.EpochID{{3}}},
		&wire.Keys{Keys: []wire.Wrapped{{Epoch: delta.EpochID{1}, Key: [80]byte{2}}}},
		&wire.Publish{Envelopes: [][]byte{[]byte("one")}},
		&wire.Announce{IDs: []delta.ID{id(1)}},
	}
}

func encode(t testing.TB, m wire.Message) []byte {
	t.Helper()
	out, err := wire.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var unexported = cmpopts.IgnoreUnexported(wire.Bound{}, wire.Tip{}, wire.State{}, wire.Wrapped{})

func TestRoundTrip(t *testing.T) {
	seen := map[wire.Kind]bool{}
	for _, m := range examples() {
		got, err := wire.Decode(encode(t, m))
		if err != nil {
			t.Errorf("kind %d: %v", m.Kind(), err)
			continue
		}
		if diff := cmp.Diff(m, got, unexported); diff != "" {
			t.Errorf("kind %d (-sent +read):\n%s", m.Kind(), diff)
		}
		seen[m.Kind()] = true
	}
	for k := wire.KindRefusal; k <= wire.KindAnnounce; k++ {
		if !seen[k] {
			t.Errorf("no example of kind %d", k)
		}
	}
}

// TestPrefixes: no message can be cut, lengthened, or have any byte changed into
// something that is read as the same message.
func TestPrefixes(t *testing.T) {
	for _, m := range examples() {
		data := encode(t, m)
		for n := range data {
			if got, err := wire.Decode(data[:n]); err == nil {
				t.Errorf("kind %d: its first %d bytes are read as %+v", m.Kind(), n, got)
			}
		}
		if _, err := wire.Decode(append(bytes.Clone(data), 0)); err == nil {
			t.Errorf("kind %d: a byte behind the end is taken", m.Kind())
		}
		for at := range data {
			changed := bytes.Clone(data)
			changed[at] ^= 1
			got, err := wire.Decode(changed)
			if err == nil && cmp.Equal(m, got, unexported) {
				t.Errorf("kind %d: byte %d does not matter", m.Kind(), at)
			}
		}
	}
}

func TestVersions(t *testing.T) {
	for name, data := range map[string]string{
		"another version":                     "\x82\x02\xa2\x01\x02\x02\x50" + strings.Repeat("\x00", 16),
		"another version with another body":   "\x82\x02\xa2\x01\x02\x18\x63\x82\x01\x02",
		"version 0, which there is none of":   "\x82\x07\xa1\x02\x00",
		"a session of a version to come":      "\x82\x07\xa2\x01\x19\x03\xe8\x05\xf6",
		"a heartbeat of a version to come":    "\x82\x0c\xa1\x01\x03",
		"a fetch of a version to come":        "\x82\x0f\xa1\x01\x03",
		"a pull of keys of a version to come": "\x82\x12\xa1\x01\x03",
	} {
		_, err := wire.Decode([]byte(data))
		var version *wire.VersionError
		if !errors.As(err, &version) {
			t.Errorf("%s: got %v, want a *VersionError", name, err)
			continue
		}
		if !strings.Contains(err.Error(), fmt.Sprint(version.Theirs)) || !strings.Contains(err.Error(), fmt.Sprint(wire.Version)) {
			t.Errorf("%s: %q does not name both versions", name, err)
		}
	}
}

func TestHostile(t *testing.T) {
	tests := []struct {
		name, data string
		want       error
	}{
		{"nothing", "", wire.ErrMalformed},
		{"a number", "\x01", wire.ErrMalformed},
		{"a map", "\xa0", wire.ErrMalformed},
		{"one element", "\x81\x0a", wire.ErrMalformed},
		{"three elements", "\x83\x0a\xa0\x00", wire.ErrMalformed},
		{"an unknown kind", "\x82\x18\x63\xa0", wire.ErrUnknownKind},
		{"kind 0", "\x82\x00\xa0", wire.ErrUnknownKind},
		{"a kind beyond all", "\x82\x1b\xff\xff\xff\xff\xff\xff\xff\xff\xa0", wire.ErrUnknownKind},
		{"a kind in too many bytes", "\x82\x18\x0a\xa0", wire.ErrNotCanonical},
		{"a body that is a list", "\x82\x0a\x80", wire.ErrMalformed},
		{"an unknown key", "\x82\x0a\xa1\x02\x01", wire.ErrMalformed},
		{"a key twice", "\x82\x0b\xa2\x01\x01\x01\x02", wire.ErrMalformed},
		{"a zero that is left out", "\x82\x0b\xa1\x01\x00", wire.ErrNotCanonical},
		{"a text for a number", "\x82\x0b\xa1\x01\x61a", wire.ErrMalformed},
		{"an indefinite body", "\x82\x0b\xbf\x01\x01\xff", wire.ErrMalformed},
		{"an indefinite string", "\x82\x11\xa1\x01\x5f\x41a\xff", wire.ErrMalformed},
		{"a tag", "\x82\x0b\xa1\x01\xc1\x01", wire.ErrMalformed},
		{"text that is no UTF-8", "\x82\x01\xa2\x01\x01\x02\x61\xff", wire.ErrMalformed},
		{"a short root", "\x82\x08\xa2\x02\x41\x01\x03\x41\x01", wire.ErrNotCanonical},
		{"a long string that is not there", "\x82\x11\xa1\x01\x5b\x00\x00\x7f\xff\xff\xff\xff\xff", wire.ErrMalformed},
		{"a long list that is not there", "\x82\x09\xa1\x01\x9a\x00\x00\xff\xff", wire.ErrMalformed},
		{"a list beyond the limit", "\x82\x09\xa1\x01\x9a\x00\x01\x00\x01", wire.ErrTooLarge},
		{"lists in lists", "\x82\x09\xa1\x01" + strings.Repeat("\x81", 1<<16), wire.ErrTooLarge},
		{"a batch of nothing", "\x82\x09\xa1\x01\x80", wire.ErrMalformed},
		{"a piece of nothing", "\x82\x11\xa1\x01\x40", wire.ErrMalformed},
	}
	for _, tt := range tests {
		if m, err := wire.Decode([]byte(tt.data)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %+v, %v, want %v", tt.name, m, err, tt.want)
		}
	}
}

// TestLimits: what is over a limit can not be sent, and is not read when somebody
// sends it all the same.
func TestLimits(t *testing.T) {
	many := func(n, size int) (out [][]byte) {
		for range n {
			out = append(out, make([]byte, size))
		}
		return out
	}
	tests := []struct {
		name string
		m    wire.Message
	}{
		{"words", &wire.Refusal{Code: 1, Words: strings.Repeat("a", wire.MaxWords+1)}},
		{"addresses", &wire.Refusal{Code: 1, Addrs: make([]string, wire.MaxAddrs+1)}},
		{"address", &wire.Refusal{Code: 1, Addrs: []string{strings.Repeat("a", wire.MaxAddr+1)}}},
		{"tags", &wire.Hello{Version: 1, Tags: make([]wire.Tag, wire.MaxTags+1)}},
		{"tags of an answer", &wire.Tags{Tags: make([]wire.Tag, wire.MaxTags+1)}},
		{"bindings", &wire.Bindings{Bound: make([]wire.Bound, wire.MaxShared+1)}},
		{"binding", &wire.Bindings{Bound: []wire.Bound{{Binding: make([]byte, wire.MaxBinding+1)}}}},
		{"admission", &wire.Bindings{Bound: []wire.Bound{{Admissions: many(1, wire.MaxAdmission+1)}}}},
		{"admissions", &wire.Bindings{Bound: []wire.Bound{{Admissions: many(wire.MaxAdmissions+1, 1)}}}},
		{"invitation", &wire.Ask{Version: 1, Invitation: make([]byte, wire.MaxInvitation+1)}},
		{"vector", &wire.Known{Tips: make([]wire.Tip, wire.MaxTips+1)}},
		{"missing", &wire.Open{Version: 1, Known: wire.Known{Missing: make([]delta.ID, wire.MaxIDs+1)}}},
		{"batch", &wire.Batch{Envelopes: many(wire.MaxBatch+1, 1)}},
		{"bytes of a batch", &wire.Batch{Envelopes: many(2, wire.MaxBatchBytes/2+1)}},
		{"delta", &wire.Batch{Envelopes: many(1, delta.MaxEnvelope+1)}},
		{"shared contexts", &wire.Beat{Version: 1, Shared: wire.MaxShared + 1}},
		{"states", &wire.Detail{States: make([]wire.State, wire.MaxShared+1)}},
		{"piece", &wire.Piece{Data: make([]byte, wire.MaxPiece+1)}},
		{"epochs", &wire.KeysAsk{Version: 1, Epochs: make([]delta.EpochID, wire.MaxIDs+1)}},
		{"keys", &wire.Keys{Keys: make([]wire.Wrapped, wire.MaxIDs+1)}},
		{"gossip", &wire.Publish{Envelopes: many(wire.MaxPublish+1, 1)}},
		{"bytes of gossip", &wire.Publish{Envelopes: many(1, wire.MaxPublishBytes+1)}},
		{"announcement", &wire.Announce{IDs: make([]delta.ID, wire.MaxIDs+1)}},
	}
	for _, tt := range tests {
		if _, err := wire.Encode(tt.m); !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("%s: sent: %v, want ErrTooLarge", tt.name, err)
		}
		if _, err := wire.Decode(wire.EncodeUnchecked(tt.m)); !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("%s: read: %v, want ErrTooLarge", tt.name, err)
		}
	}
}

// TestLargestFit: the largest messages fit into the frames of their protocols.
func TestLargestFit(t *testing.T) {
	full := func(n int) []byte { return make([]byte, n) }
	bound := make([]wire.Bound, 30)
	for i := range bound {
		bound[i] = wire.Bound{Binding: full(wire.MaxBinding), Admissions: [][]byte{full(wire.MaxAdmission)}}
	}
	for name, tt := range map[string]struct {
		m     wire.Message
		frame int
	}{
		"hello":     {&wire.Hello{Version: 1, Tags: make([]wire.Tag, wire.MaxTags)}, wire.MaxHelloFrame},
		"bindings":  {&wire.Bindings{Bound: bound}, wire.MaxHelloFrame},
		"join":      {&wire.Admitted{Genesis: full(2 * wire.MaxAdmission), Admission: full(2 * wire.MaxAdmission)}, wire.MaxJoinFrame},
		"vector":    {&wire.Open{Version: 1, Known: wire.Known{Tips: make([]wire.Tip, wire.MaxTips), Missing: make([]delta.ID, wire.MaxIDs)}}, wire.MaxSyncFrame},
		"delta":     {&wire.Batch{Envelopes: [][]byte{full(delta.MaxEnvelope)}}, wire.MaxSyncFrame},
		"heartbeat": {&wire.Detail{States: make([]wire.State, wire.MaxShared)}, wire.MaxHeartbeatFrame},
		"blob":      {&wire.Piece{Data: full(wire.MaxPiece)}, wire.MaxBlobFrame},
		"keys":      {&wire.Keys{Keys: make([]wire.Wrapped, wire.MaxIDs)}, wire.MaxKeysFrame},
	} {
		if n := len(encode(t, tt.m)); n > tt.frame {
			t.Errorf("%s: %d bytes, a frame has %d", name, n, tt.frame)
		}
	}
}

// TestNames: what derives from a secret differs by use, by peers and by nonce.
func TestNames(t *testing.T) {
	s := wire.Secret{1}
	if s.Topic() == (wire.Secret{2}).Topic() || s.Rendezvous() == (wire.Secret{2}).Rendezvous() {
		t.Error("two secrets have one name")
	}
	tags := map[wire.Tag]string{}
	for name, tag := range map[string]wire.Tag{
		"a to b": s.Tag("a", "b", [16]byte{}), "b to a": s.Tag("b", "a", [16]byte{}), "another nonce": s.Tag("a", "b", [16]byte{1}),
		"other names with the same letters": s.Tag("ab", "", [16]byte{}), "another secret": wire.Secret{2}.Tag("a", "b", [16]byte{}),
	} {
		if other, ok := tags[tag]; ok {
			t.Errorf("%s has the tag of %s", name, other)
		}
		tags[tag] = name
	}
	if got := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(got, "1") {
		t.Errorf("a secret prints itself: %s", got)
	}
}

// FuzzDecode: nothing panics, and what is taken is written as it was read.
func FuzzDecode(f *testing.F) {
	for _, m := range examples() {
		f.Add(encode(f, m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := wire.Decode(data)
		var version *wire.VersionError
		switch {
		case err == nil:
			again, err := wire.Encode(m)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("read %x, written %x (%v)", data, again, err)
			}
		case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrNotCanonical), errors.Is(err, wire.ErrTooLarge),
			errors.Is(err, wire.ErrUnknownKind), errors.As(err, &version):
		default:
			t.Errorf("an error of no kind: %v", err)
		}
	})
}
