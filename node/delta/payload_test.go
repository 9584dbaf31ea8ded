package delta_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
)

func fullGenesis() delta.Genesis {
	g := delta.Genesis{
		Semantics: 1, Package: strings.Repeat("p", delta.MaxName), Version: "1.0.0-é",
		StateQuota: 1<<64 - 1, Rate: 7,
	}
	g.App[0], g.Code[1], g.SealKey[2], g.TopicSecret[3] = 1, 2, 3, 4
	return g
}

func fullState() delta.State {
	s := delta.State{Artifact: bytes.Repeat([]byte{7}, delta.MaxArtifact), GuestRoot: [32]byte{1}, Depth: delta.MaxDepth}
	for range delta.MaxEvents {
		s.Events = append(s.Events, delta.Event{
			Kind: strings.Repeat("k", delta.MaxEventKind), Data: make([]byte, delta.MaxEventData), Handler: strings.Repeat("h", delta.MaxHandler),
		})
	}
	return s
}

func fullCall() delta.State {
	return delta.State{
		Call:   &delta.Call{Method: strings.Repeat("m", delta.MaxMethod), Input: make([]byte, delta.MaxInput), Seed: [32]byte{9}},
		Events: fullState().Events,
	}
}

func TestGenesisRoundTrip(t *testing.T) {
	small := delta.Genesis{Semantics: 1, StateQuota: 1}
	for name, want := range map[string]delta.Genesis{"full": fullGenesis(), "small": small} {
		raw, err := delta.EncodeGenesis(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := delta.DecodeGenesis(raw)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	for name, want := range map[string]delta.State{
		"empty": {}, "full": fullState(), "full call": fullCall(),
		"small": {Artifact: []byte{0}, Events: []delta.Event{{}}},
		"call":  {Call: &delta.Call{Method: "m"}, Depth: 1},
		"ops":   {Ops: []byte{1, 2}, Depth: 3, Events: []delta.Event{{Kind: "k"}}},
	} {
		raw, err := delta.EncodeState(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := delta.DecodeState(raw)
		if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		change func(g *delta.Genesis, s *delta.State)
		want   error
	}{
		"semantics 0":    {func(g *delta.Genesis, _ *delta.State) { g.Semantics = 0 }, delta.ErrMalformed},
		"no quota":       {func(g *delta.Genesis, _ *delta.State) { g.StateQuota = 0 }, delta.ErrMalformed},
		"long package":   {func(g *delta.Genesis, _ *delta.State) { g.Package += "x" }, delta.ErrTooLarge},
		"version bytes":  {func(g *delta.Genesis, _ *delta.State) { g.Version = "\xff" }, delta.ErrMalformed},
		"artifact":       {func(_ *delta.Genesis, s *delta.State) { s.Artifact = append(s.Artifact, 1) }, delta.ErrTooLarge},
		"events":         {func(_ *delta.Genesis, s *delta.State) { s.Events = append(s.Events, delta.Event{}) }, delta.ErrTooLarge},
		"event kind":     {func(_ *delta.Genesis, s *delta.State) { s.Events[9].Kind += "x" }, delta.ErrTooLarge},
		"event bytes":    {func(_ *delta.Genesis, s *delta.State) { s.Events[9].Kind = "\xff" }, delta.ErrMalformed},
		"event data":     {func(_ *delta.Genesis, s *delta.State) { s.Events[9].Data = make([]byte, 16385) }, delta.ErrTooLarge},
		"handler":        {func(_ *delta.Genesis, s *delta.State) { s.Events[9].Handler += "x" }, delta.ErrTooLarge},
		"depth":          {func(_ *delta.Genesis, s *delta.State) { s.Depth = 4 }, delta.ErrTooLarge},
		"call with more": {func(_ *delta.Genesis, s *delta.State) { s.Call = &delta.Call{Method: "m"} }, delta.ErrMalformed},
		"ops with more":  {func(_ *delta.Genesis, s *delta.State) { s.Ops = []byte{1} }, delta.ErrMalformed},
		"long ops":       {func(_ *delta.Genesis, s *delta.State) { *s = delta.State{Ops: make([]byte, delta.MaxArtifact+1)} }, delta.ErrTooLarge},
		"no method":      {func(_ *delta.Genesis, s *delta.State) { *s = delta.State{Call: &delta.Call{}} }, delta.ErrMalformed},
		"long method":    {func(_ *delta.Genesis, s *delta.State) { *s = fullCall(); s.Call.Method += "x" }, delta.ErrTooLarge},
		"method bytes":   {func(_ *delta.Genesis, s *delta.State) { *s = fullCall(); s.Call.Method = "\xff" }, delta.ErrMalformed},
		"long input":     {func(_ *delta.Genesis, s *delta.State) { *s = fullCall(); s.Call.Input = append(s.Call.Input, 1) }, delta.ErrTooLarge},
	} {
		g, s := fullGenesis(), fullState()
		row.change(&g, &s)
		_, genesisErr := delta.EncodeGenesis(g)
		_, stateErr := delta.EncodeState(s)
		err := errors.Join(genesisErr, stateErr)
		if !errors.Is(err, row.want) || !errors.Is(err, delta.ErrPayload) {
			t.Errorf("%s: got %v, want ErrPayload and %v", name, err, row.want)
		}
	}
}

// edited writes a map with some of its pairs changed; nil takes one out.
func edited(t *testing.T, raw []byte, edits map[any]any) []byte {
	t.Helper()
	m := map[any]any{}
	if err := cbor.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for k, v := range edits {
		if v == nil {
			delete(m, k)
			continue
		}
		m[k] = v
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	out, err := mode.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type edits = map[any]any

func key(n int) uint64 { return uint64(n) }

func TestDecodeGenesisRefuses(t *testing.T) {
	raw, err := delta.EncodeGenesis(fullGenesis())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := delta.DecodeGenesis(edited(t, raw, nil)); err != nil {
		t.Fatalf("unedited: %v", err)
	}
	for name, row := range map[string]struct {
		raw  []byte
		want error
	}{
		"empty":             {nil, delta.ErrTruncated},
		"no map":            {[]byte{0x80}, delta.ErrPayload},
		"empty map":         {[]byte{0xa0}, delta.ErrPayload},
		"truncated":         {raw[:len(raw)-1], delta.ErrTruncated},
		"trailing":          {append(bytes.Clone(raw), 0), delta.ErrTrailing},
		"no code":           {edited(t, raw, edits{key(3): nil}), delta.ErrMalformed},
		"no package":        {edited(t, raw, edits{key(4): nil}), delta.ErrNotCanonical},
		"no rate":           {edited(t, raw, edits{key(8): nil}), delta.ErrNotCanonical},
		"short application": {edited(t, raw, edits{key(2): make([]byte, 31)}), delta.ErrMalformed},
		"no semantics":      {edited(t, raw, edits{key(1): nil}), delta.ErrMalformed},
		"negative rate":     {edited(t, raw, edits{key(8): -1}), delta.ErrMalformed},
		"text for bytes":    {edited(t, raw, edits{key(3): strings.Repeat("x", 32)}), delta.ErrMalformed},
		"long name":         {edited(t, raw, edits{key(4): strings.Repeat("x", 257)}), delta.ErrTooLarge},
	} {
		_, err := delta.DecodeGenesis(row.raw)
		if !errors.Is(err, row.want) || !errors.Is(err, delta.ErrPayload) || errors.Is(err, delta.ErrUpgrade) {
			t.Errorf("%s: got %v, want ErrPayload and %v", name, err, row.want)
		}
	}
	for name, raw := range map[string][]byte{
		"a field of later": edited(t, raw, edits{key(10): 1}),
		"a text field":     edited(t, raw, edits{"x": 1}),
	} {
		if _, err := delta.DecodeGenesis(raw); !errors.Is(err, delta.ErrUpgrade) || errors.Is(err, delta.ErrPayload) {
			t.Errorf("%s: got %v, want ErrUpgrade alone", name, err)
		}
	}
}

func TestDecodeStateRefuses(t *testing.T) {
	raw, err := delta.EncodeState(delta.State{
		Artifact: []byte("a"), GuestRoot: [32]byte{1}, Depth: 1, Events: []delta.Event{{Kind: "k", Data: []byte("d")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	event := func(parts ...any) []any { return []any{parts} }
	nested := append(bytes.Repeat([]byte{0x81}, 100), 0)
	for name, row := range map[string]struct {
		raw  []byte
		want error
	}{
		"empty":               {nil, delta.ErrTruncated},
		"null":                {[]byte{0xf6}, delta.ErrNotCanonical},
		"no map":              {[]byte{0x01}, delta.ErrMalformed},
		"trailing":            {append(bytes.Clone(raw), 0), delta.ErrTrailing},
		"empty artifact":      {edited(t, raw, edits{key(1): []byte{}}), delta.ErrNotCanonical},
		"null artifact":       {[]byte{0xa1, 0x01, 0xf6}, delta.ErrNotCanonical},
		"artifact as a list":  {[]byte{0xa1, 0x01, 0x81, 0x05}, delta.ErrPayload},
		"zero root":           {edited(t, raw, edits{key(2): make([]byte, 32)}), delta.ErrNotCanonical},
		"short root":          {edited(t, raw, edits{key(2): make([]byte, 31)}), delta.ErrMalformed},
		"depth 0":             {edited(t, raw, edits{key(4): 0}), delta.ErrNotCanonical},
		"depth 4":             {edited(t, raw, edits{key(4): 4}), delta.ErrTooLarge},
		"depth 257":           {edited(t, raw, edits{key(4): 257}), delta.ErrTooLarge},
		"depth as text":       {edited(t, raw, edits{key(4): "1"}), delta.ErrMalformed},
		"no events":           {edited(t, raw, edits{key(3): []any{}}), delta.ErrNotCanonical},
		"101 events":          {edited(t, raw, edits{key(3): repeat(101, []any{"", []byte{}, ""})}), delta.ErrTooLarge},
		"2000 events":         {edited(t, raw, edits{key(3): repeat(2000, []any{"", []byte{}, ""})}), delta.ErrTooLarge},
		"event of two parts":  {edited(t, raw, edits{key(3): event("k", []byte("d"))}), delta.ErrMalformed},
		"event of four parts": {edited(t, raw, edits{key(3): event("k", []byte("d"), "", 1)}), delta.ErrMalformed},
		"event without data":  {edited(t, raw, edits{key(3): event("k", nil, "")}), delta.ErrNotCanonical},
		"event kind as bytes": {edited(t, raw, edits{key(3): event([]byte("k"), []byte("d"), "")}), delta.ErrMalformed},
		"event not UTF-8":     {[]byte{0xa1, 0x03, 0x81, 0x83, 0x61, 0xff, 0x40, 0x60}, delta.ErrMalformed},
		"artifact and call":   {edited(t, raw, edits{key(5): []any{"m", []byte{}, make([]byte, 32)}}), delta.ErrMalformed},
		"artifact and ops":    {edited(t, raw, edits{key(6): []byte{1}}), delta.ErrMalformed},
		"empty ops":           {[]byte{0xa1, 0x06, 0x40}, delta.ErrNotCanonical},
		"ops as a list":       {[]byte{0xa1, 0x06, 0x81, 0x05}, delta.ErrPayload},
		"call of two parts":   {edited(t, raw, edits{key(1): nil, key(5): []any{"m", []byte{}}}), delta.ErrMalformed},
		"null call":           {[]byte{0xa1, 0x05, 0xf6}, delta.ErrNotCanonical},
		"short seed":          {edited(t, raw, edits{key(1): nil, key(5): []any{"m", []byte{}, make([]byte, 31)}}), delta.ErrMalformed},
		"long key":            {[]byte{0xa1, 0x18, 0x01, 0x41, 0x07}, delta.ErrNotCanonical},
		"long length":         {[]byte{0xa1, 0x01, 0x58, 0x01, 0x07}, delta.ErrNotCanonical},
		"unsorted keys":       {[]byte{0xa2, 0x04, 0x01, 0x01, 0x41, 0x07}, delta.ErrNotCanonical},
		"duplicate keys":      {[]byte{0xa2, 0x01, 0x41, 0x07, 0x01, 0x41, 0x07}, delta.ErrMalformed},
		"indefinite map":      {[]byte{0xbf, 0x01, 0x41, 0x07, 0xff}, delta.ErrNotCanonical},
		"indefinite bytes":    {[]byte{0xa1, 0x01, 0x5f, 0x41, 0x07, 0xff}, delta.ErrNotCanonical},
		"tag":                 {[]byte{0xa1, 0x01, 0xc2, 0x41, 0x07}, delta.ErrMalformed},
		"whole tagged":        {[]byte{0xd9, 0xd9, 0xf7, 0xa0}, delta.ErrMalformed},
		"float for depth":     {[]byte{0xa1, 0x04, 0xf9, 0x3c, 0x00}, delta.ErrMalformed},
		"bignum":              {[]byte{0xa1, 0x04, 0xc2, 0x41, 0x01}, delta.ErrMalformed},
		"deep":                {append([]byte{0xa1, 0x03}, nested...), delta.ErrMalformed},
		"list of 2^32":        {[]byte{0xa1, 0x03, 0x9a, 0xff, 0xff, 0xff, 0xff}, delta.ErrTooLarge},
		"map of 2^63":         {[]byte{0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, delta.ErrTooLarge},
		"bytes of 2^62":       {[]byte{0xa1, 0x01, 0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0}, delta.ErrTruncated},
		"over 6 MiB":          {make([]byte, delta.MaxEnvelope+1), delta.ErrTooLarge},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := delta.DecodeState(row.raw)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, row.want) || !errors.Is(err, delta.ErrPayload) || errors.Is(err, delta.ErrUpgrade) {
			t.Errorf("%s: got %v, want ErrPayload and %v", name, err, row.want)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(16*len(row.raw))+256<<10 {
			t.Errorf("%s: %d bytes of memory for %d bytes", name, grown, len(row.raw))
		}
	}
	if _, err := delta.DecodeState(edited(t, raw, edits{key(7): []any{1, 2}})); !errors.Is(err, delta.ErrUpgrade) || errors.Is(err, delta.ErrPayload) {
		t.Errorf("a field of later: got %v, want ErrUpgrade alone", err)
	}
}

func FuzzDecodeState(f *testing.F) {
	for _, s := range []delta.State{
		{},
		{Artifact: []byte("artifact"), GuestRoot: [32]byte{1}, Depth: 3, Events: []delta.Event{{Kind: "k", Data: []byte("d"), Handler: "h"}, {}}},
		{Call: &delta.Call{Method: "m", Input: []byte("in")}},
		{Ops: []byte{1, 2, 3}},
	} {
		raw, err := delta.EncodeState(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0xa1, 0x06, 0x01})
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := delta.DecodeState(raw)
		if err != nil {
			return
		}
		again, err := delta.EncodeState(s)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x reads as %+v, which is %x, %v", raw, s, again, err)
		}
	})
}

func FuzzDecodeGenesis(f *testing.F) {
	raw, err := delta.EncodeGenesis(fullGenesis())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{0xa1, 0x0a, 0x01})
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := delta.DecodeGenesis(raw)
		if err != nil {
			return
		}
		again, err := delta.EncodeGenesis(g)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x reads as %+v, which is %x, %v", raw, g, again, err)
		}
	})
}

// decode(encode(x)) = x for states of all shapes.
func FuzzStateRoundTrip(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 5))
		want := delta.State{Depth: uint8(r.IntN(4))}
		if r.IntN(2) == 0 {
			want.Call = &delta.Call{Method: strings.Repeat("é", 1+r.IntN(9)), Input: make([]byte, r.IntN(300))}
			want.Call.Seed[r.IntN(32)] = byte(r.Uint32())
		} else {
			want.Artifact = make([]byte, r.IntN(70000))
		}
		want.GuestRoot[r.IntN(32)] = byte(r.IntN(3))
		for range r.IntN(30) {
			want.Events = append(want.Events, delta.Event{
				Kind: strings.Repeat("k", r.IntN(40)), Data: make([]byte, r.IntN(300)), Handler: strings.Repeat("h", r.IntN(3)),
			})
		}
		raw, err := delta.EncodeState(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := delta.DecodeState(raw)
		if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	})
}
