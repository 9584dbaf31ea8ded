package members_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func key(first byte) ident.PrivateKey { return ident.PrivateKeyFromSeed([32]byte{first, 1}) }

func sealing(first byte) ident.SealPublicKey {
	k, err := ident.SealKeyFromSeed([32]byte{first, 2})
	if err != nil {
		panic(err)
	}
	return k.Public()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func invitation(t testing.TB, change func(*members.Invitation)) members.Invitation {
	t.Helper()
	i := members.Invitation{
		Context: [32]byte{1}, Genesis: [32]byte{2}, Secret: [32]byte{3}, Role: members.Plain, Ticket: [32]byte{4},
		Expires: noon, Uses: 7, To: key(9).Public(), Addrs: []string{"/ip4/192.0.2.1/tcp/1/p2p/Q", "/dns4/example.org/udp/2/quic-v1/p2p/R"},
	}
	if change != nil {
		change(&i)
	}
	must(t, i.Sign(key(1)))
	return i
}

func request(t testing.TB) members.JoinRequest {
	t.Helper()
	i := invitation(t, nil)
	r := members.JoinRequest{Seal: sealing(9), Peer: "12D3KooW", Time: noon}
	must(t, r.Sign(key(9), &i))
	return r
}

func binding(t testing.TB) members.Binding {
	t.Helper()
	b := members.Binding{Context: [32]byte{1}, Peer: "12D3KooW", Role: members.Plain, Time: noon, Expires: noon.Add(24 * time.Hour)}
	must(t, b.Sign(key(9)))
	return b
}

func TestPapersRoundTrip(t *testing.T) {
	for name, change := range map[string]func(*members.Invitation){
		"full":  nil,
		"small": func(i *members.Invitation) { i.Uses, i.To, i.Addrs = 0, ident.PublicKey{}, nil },
		"largest": func(i *members.Invitation) {
			i.Addrs = make([]string, members.MaxAddrs)
			for n := range i.Addrs {
				i.Addrs[n] = strings.Repeat("a", members.MaxAddr)
			}
		},
	} {
		want := invitation(t, change)
		shown := want // without the ticket, which only the word has
		shown.Ticket = [32]byte{}
		got, err := members.DecodeInvitation(want.Encode())
		if diff := cmp.Diff(shown, got); err != nil || diff != "" {
			t.Errorf("invitation, %s: %v (-want +got):\n%s", name, err, diff)
		}
		word := want.Word()
		broken := "  " + word[:40] + "\r\n\t" + word[40:] + "\n"
		for _, text := range []string{word, broken} {
			if got, err := members.ParseWord(text); err != nil || !cmp.Equal(want, got) {
				t.Errorf("word, %s: %v", name, err)
			}
		}
	}
	r := request(t)
	if got, err := members.DecodeJoinRequest(r.Encode()); err != nil || got != r {
		t.Errorf("request: %v, %+v", err, got)
	}
	b := binding(t)
	if got, err := members.DecodeBinding(b.Encode()); err != nil || got != b {
		t.Errorf("binding: %v, %+v", err, got)
	}
}

// TestIDIsOfTheContent: another signature, or an open hand, is no other invitation.
func TestIDIsOfTheContent(t *testing.T) {
	a := invitation(t, nil)
	b := a
	b.Signature[0]++
	if a.ID() != b.ID() {
		t.Error("the signature is a part of the id")
	}
	for name, change := range map[string]func(*members.Invitation){
		"ticket": func(i *members.Invitation) { i.Ticket[0]++ }, "uses": func(i *members.Invitation) { i.Uses++ },
		"secret": func(i *members.Invitation) { i.Secret[0]++ }, "to": func(i *members.Invitation) { i.To = ident.PublicKey{} },
	} {
		if c := invitation(t, change); c.ID() == a.ID() {
			t.Errorf("%s is no part of the id", name)
		}
	}
	if text := a.String() + strings.TrimPrefix(a.GoString(), "x"); strings.Contains(text, ident.AppID(a.Secret).String()) {
		t.Error("an invitation prints its secret")
	}
}

// edited is a paper with some of its pairs changed; nil takes one out.
func edited(t testing.TB, raw []byte, edits map[uint64]any) []byte {
	t.Helper()
	m := map[uint64]any{}
	must(t, cbor.Unmarshal(raw, &m))
	for k, v := range edits {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	must(t, err)
	out, err := mode.Marshal(m)
	must(t, err)
	return out
}

type edits = map[uint64]any

// TestTicket: who has read an invitation, or somebody else's request by it, gets in by
// neither.
func TestTicket(t *testing.T) {
	i, other := invitation(t, nil), invitation(t, func(i *members.Invitation) { i.Ticket[0]++ })
	r := request(t)
	must(t, r.Answers(&i))
	if err := r.Answers(&other); !errors.Is(err, members.ErrMismatch) {
		t.Errorf("by another invitation: %v", err)
	}
	read, err := members.DecodeInvitation(i.Encode())
	must(t, err)
	mine := members.JoinRequest{Seal: sealing(8), Peer: "p", Time: noon}
	if err := mine.Sign(key(8), &read); !errors.Is(err, members.ErrTicket) {
		t.Errorf("asked without the ticket: %v", err)
	}
	read.Ticket = [32]byte{77} // a guess, with which a hostile node would sign
	read.Bearer = ident.PrivateKeyFromSeed(read.Ticket).Public()
	must(t, mine.Sign(key(8), &read))
	mine.Invitation = i.ID()
	mine.Proof = r.Proof
	if err := mine.Answers(&i); !errors.Is(err, members.ErrTicket) {
		t.Errorf("with a proof of another request: %v", err)
	}
	forged := i
	forged.Ticket = [32]byte{77}
	if _, err := members.ParseWord(forged.Word()); !errors.Is(err, members.ErrTicket) {
		t.Errorf("a word with another ticket: %v", err)
	}
}

// weak is a key of small order.
func weak() []byte { return make([]byte, 32) }

// TestBadInvitations: each fault has its own reason, or is said to be malformed.
func TestBadInvitations(t *testing.T) {
	i := invitation(t, nil)
	raw, word := i.Encode(), i.Word()
	for name, row := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":          {nil, members.ErrMalformed},
		"garbage":          {[]byte("garbage"), members.ErrMalformed},
		"trailing":         {append(bytes.Clone(raw), 0), members.ErrMalformed},
		"cut":              {raw[:len(raw)-1], members.ErrMalformed},
		"too large":        {make([]byte, delta.MaxInvitation+1), members.ErrTooLarge},
		"another version":  {edited(t, raw, edits{1: 2}), members.ErrVersion},
		"newer field":      {edited(t, raw, edits{1: 2, 99: 1}), members.ErrVersion},
		"unknown field":    {edited(t, raw, edits{99: 1}), members.ErrMalformed},
		"no version":       {edited(t, raw, edits{1: nil}), members.ErrVersion},
		"short context":    {edited(t, raw, edits{2: make([]byte, 31)}), members.ErrMalformed},
		"no secret":        {edited(t, raw, edits{4: nil}), members.ErrMalformed},
		"creator":          {edited(t, raw, edits{5: 1}), members.ErrMalformed},
		"role of later":    {edited(t, raw, edits{5: 5}), members.ErrMalformed},
		"role of 259":      {edited(t, raw, edits{5: 259}), members.ErrMalformed},
		"uses of 2^32":     {edited(t, raw, edits{7: 1 << 32}), members.ErrMalformed},
		"uses of 0":        {edited(t, raw, edits{7: 0}), members.ErrMalformed},
		"for a weak key":   {edited(t, raw, edits{6: append(weak()[:31], 0x80)}), members.ErrMalformed},
		"for the zero key": {edited(t, raw, edits{6: weak()}), members.ErrMalformed},
		"no time":          {edited(t, raw, edits{8: 0}), members.ErrMalformed},
		"after all times":  {edited(t, raw, edits{8: uint64(1 << 62)}), members.ErrMalformed},
		"weak bearer":      {edited(t, raw, edits{9: weak()}), members.ErrMalformed},
		"weak issuer":      {edited(t, raw, edits{11: append([]byte{1}, weak()[1:]...)}), members.ErrMalformed},
		"many addresses":   {edited(t, raw, edits{10: make([]string, 17)}), members.ErrMalformed},
		"long address":     {edited(t, raw, edits{10: []string{strings.Repeat("a", 257)}}), members.ErrTooLarge},
		"empty address":    {edited(t, raw, edits{10: []string{""}}), members.ErrMalformed},
		"no signature":     {edited(t, raw, edits{12: nil}), members.ErrMalformed},
		"other signature":  {edited(t, raw, edits{12: make([]byte, 64)}), members.ErrSignature},
		"changed":          {edited(t, raw, edits{7: 8}), members.ErrSignature},
		"other issuer":     {edited(t, raw, edits{11: func() []byte { k := key(2).Public(); return k[:] }()}), members.ErrSignature},
	} {
		if _, err := members.DecodeInvitation(row.raw); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
	}
	changed := []byte(word)
	changed[len(changed)/2] = map[bool]byte{true: 'z', false: 'y'}[changed[len(changed)/2] == 'y']
	for name, row := range map[string]struct {
		text string
		want error
	}{
		"nothing":         {"", members.ErrNotInvitation},
		"something else":  {"hello", members.ErrNotInvitation},
		"the start":       {"mero", members.ErrNotInvitation},
		"no version":      {"merox" + word[5:], members.ErrNotInvitation},
		"another version": {"mero2" + word[5:], members.ErrVersion},
		"the end missing": {word[:len(word)-3], members.ErrGarbled},
		"no more":         {"mero1", members.ErrGarbled},
		"a few letters":   {"mero1abc", members.ErrGarbled},
		"one changed":     {string(changed), members.ErrGarbled},
		"no base58":       {"mero1O0Il", members.ErrGarbled},
		"twice":           {word + word, members.ErrGarbled},
		"endless":         {"mero1" + strings.Repeat("1", 20000), members.ErrTooLarge},
		"endless space":   {strings.Repeat(" ", 1<<20), members.ErrTooLarge},
	} {
		if _, err := members.ParseWord(row.text); !errors.Is(err, row.want) {
			t.Errorf("word, %s: got %v, want %v", name, err, row.want)
		}
	}
}

// TestSignRefuses: what no decoder takes is not signed.
func TestSignRefuses(t *testing.T) {
	for name, change := range map[string]func(*members.Invitation){
		"creator":        func(i *members.Invitation) { i.Role = members.Creator },
		"no role":        func(i *members.Invitation) { i.Role = 0 },
		"no time":        func(i *members.Invitation) { i.Expires = time.Time{} },
		"half a second":  func(i *members.Invitation) { i.Expires = noon.Add(time.Second / 2) },
		"17 addresses":   func(i *members.Invitation) { i.Addrs = make([]string, 17) },
		"long address":   func(i *members.Invitation) { i.Addrs = []string{strings.Repeat("a", 257)} },
		"no text":        func(i *members.Invitation) { i.Addrs = []string{"\xff"} },
		"for a weak key": func(i *members.Invitation) { i.To = ident.PublicKey{1} },
	} {
		i := invitation(t, nil)
		change(&i)
		if err := i.Sign(key(1)); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestBadRequestsAndBindings(t *testing.T) {
	r, b := request(t), binding(t)
	for name, row := range map[string]struct {
		raw  []byte
		want error
	}{
		"another version":  {edited(t, r.Encode(), edits{1: 2}), members.ErrVersion},
		"too large":        {make([]byte, delta.MaxRequest+1), members.ErrTooLarge},
		"short invitation": {edited(t, r.Encode(), edits{2: []byte{1}}), members.ErrMalformed},
		"weak member":      {edited(t, r.Encode(), edits{3: weak()}), members.ErrMalformed},
		"weak sealing key": {edited(t, r.Encode(), edits{4: weak()}), members.ErrMalformed},
		"no peer":          {edited(t, r.Encode(), edits{5: ""}), members.ErrMalformed},
		"long peer":        {edited(t, r.Encode(), edits{5: strings.Repeat("p", 129)}), members.ErrMalformed},
		"changed":          {edited(t, r.Encode(), edits{5: "another"}), members.ErrSignature},
		"unsigned":         {edited(t, r.Encode(), edits{7: nil}), members.ErrMalformed},
	} {
		if _, err := members.DecodeJoinRequest(row.raw); !errors.Is(err, row.want) {
			t.Errorf("request, %s: got %v, want %v", name, err, row.want)
		}
	}
	for name, row := range map[string]struct {
		raw  []byte
		want error
	}{
		"another version": {edited(t, b.Encode(), edits{1: 2}), members.ErrVersion},
		"too large":       {make([]byte, 1025), members.ErrTooLarge},
		"weak member":     {edited(t, b.Encode(), edits{3: weak()}), members.ErrMalformed},
		"no role":         {edited(t, b.Encode(), edits{5: 0}), members.ErrMalformed},
		"role of later":   {edited(t, b.Encode(), edits{5: 5}), members.ErrMalformed},
		"role of 257":     {edited(t, b.Encode(), edits{5: 257}), members.ErrMalformed},
		"too long":        {edited(t, b.Encode(), edits{7: uint64(noon.Unix()) + 86401}), members.ErrMalformed},
		"ends before":     {edited(t, b.Encode(), edits{7: uint64(noon.Unix())}), members.ErrMalformed},
	} {
		if _, err := members.DecodeBinding(row.raw); !errors.Is(err, row.want) {
			t.Errorf("binding, %s: got %v, want %v", name, err, row.want)
		}
	}
	changed := b
	changed.Role = members.Admin
	for name, row := range map[string]struct {
		b       members.Binding
		peer    string
		now     time.Time
		context ident.ContextID
		want    error
	}{
		"good":            {b, b.Peer, noon, b.Context, nil},
		"a fast clock":    {b, b.Peer, noon.Add(-5 * time.Minute), b.Context, nil},
		"too early":       {b, b.Peer, noon.Add(-6 * time.Minute), b.Context, members.ErrNotYet},
		"the last moment": {b, b.Peer, b.Expires, b.Context, nil},
		"expired":         {b, b.Peer, b.Expires.Add(1), b.Context, members.ErrExpired},
		"another peer":    {b, "12D3KooX", noon, b.Context, members.ErrOtherPeer},
		"another context": {b, b.Peer, noon, ident.ContextID{9}, members.ErrOtherContext},
		"changed":         {changed, b.Peer, noon, b.Context, members.ErrSignature},
	} {
		if err := row.b.Verify(row.peer, row.now, row.context); !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
			t.Errorf("binding, %s: got %v, want %v", name, err, row.want)
		}
	}
}

// TestGolden: papers and views that were made once can be read for ever.
func TestGolden(t *testing.T) {
	i, r, b := invitation(t, nil), request(t), binding(t)
	l := members.New(founder())
	label := l.With(members.First, delta.ID{8}, members.Change{Admit: &members.Member{
		Key: key(9).Public(), Seal: sealing(9), Role: members.Plain, By: founder().Key, Since: 5 * delta.Tick, Invitation: i.ID(),
	}})
	label = l.With(label, delta.ID{9}, members.Change{Revoke: &[32]byte{6}})
	v := l.View(label)
	digest := v.Digest()
	for name, got := range map[string]string{
		"invitation.hex": hex.EncodeToString(i.Encode()), "word.txt": i.Word(), "request.hex": hex.EncodeToString(r.Encode()),
		"binding.hex": hex.EncodeToString(b.Encode()), "view.hex": hex.EncodeToString(v.Encode()), "digest.hex": hex.EncodeToString(digest[:]),
	} {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		must(t, err)
		if got != strings.Join(strings.Fields(string(want)), "") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func founder() members.Founder {
	return members.Founder{Genesis: [32]byte{2}, Key: key(1).Public(), Seal: sealing(1), Since: delta.Tick}
}

func FuzzDecodeInvitation(f *testing.F) {
	i := invitation(f, nil)
	f.Add(i.Encode())
	f.Add(edited(f, i.Encode(), edits{1: 2}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if i, err := members.DecodeInvitation(raw); err == nil && !bytes.Equal(i.Encode(), raw) {
			t.Errorf("%x is written again as %x", raw, i.Encode())
		}
	})
}

func FuzzParseWord(f *testing.F) {
	i := invitation(f, nil)
	f.Add(i.Word())
	f.Add("mero1")
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := members.ParseWord(text); err == nil && i.Word() != strings.Join(strings.Fields(text), "") {
			t.Errorf("%q is written again as %q", text, i.Word())
		}
	})
}

func FuzzDecodeJoinRequest(f *testing.F) {
	r := request(f)
	f.Add(r.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := members.DecodeJoinRequest(raw); err == nil && !bytes.Equal(r.Encode(), raw) {
			t.Errorf("%x is written again as %x", raw, r.Encode())
		}
	})
}

func FuzzDecodeBinding(f *testing.F) {
	b := binding(f)
	f.Add(b.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if b, err := members.DecodeBinding(raw); err == nil && !bytes.Equal(b.Encode(), raw) {
			t.Errorf("%x is written again as %x", raw, b.Encode())
		}
	})
}
