package delta_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
)

// forgery is a delta written by hand with the library, so that anything in it can be
// wrong. It is signed over whatever it has become.
type forgery struct {
	version, kind, seq, time any
	context, author          ident.PrivateKey
	parents                  any
	incarnation, epoch       []byte
	more                     []any // further header elements
	wraps                    any
	sealed                   []byte

	header   func([]byte) []byte // changes the header before it is hashed
	body     func([]byte) []byte // changes the body before it is hashed
	swap     func([]byte) []byte // changes the body after it was hashed
	signers  []ident.PrivateKey
	domains  []string
	envelope func([]byte) []byte
}

var state = delta.KindState

func newForgery() *forgery {
	w := newWorld()
	return &forgery{
		version: 1, kind: uint8(state), seq: 2, time: 3 * delta.Tick,
		context: w.context, author: w.author,
		parents:     [][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)},
		incarnation: make([]byte, 8), epoch: make([]byte, 32),
		wraps: []any{}, sealed: make([]byte, 40),
	}
}

func (f *forgery) genesis() {
	f.kind, f.parents, f.seq = uint8(delta.KindGenesis), [][]byte{}, 1
	f.signers = []ident.PrivateKey{f.author, f.context}
	f.domains = []string{"delta/v1/author", "delta/v1/genesis"}
}

func (f *forgery) bytes(t testing.TB) []byte {
	t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	encode := func(v any) []byte {
		b, err := mode.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	change := func(f func([]byte) []byte, b []byte) []byte {
		if f == nil {
			return b
		}
		return f(b)
	}
	body := change(f.body, encode([]any{f.wraps, f.sealed}))
	bodyHash := sha256.Sum256(body)
	context, author := f.context.Public(), f.author.Public()
	header := change(f.header, encode(append([]any{
		f.version, context[:], f.kind, f.parents, author[:], f.incarnation, f.seq, f.time, f.epoch, bodyHash[:],
	}, f.more...)))
	id := sha256.Sum256(header)
	if f.signers == nil {
		f.signers, f.domains = []ident.PrivateKey{f.author}, []string{"delta/v1/author"}
	}
	signatures := []any{}
	for i, key := range f.signers {
		sig := key.Sign(f.domains[i], id[:])
		signatures = append(signatures, sig[:])
	}
	return change(f.envelope, encode([]any{header, signatures, change(f.swap, body)}))
}

// The forgery without a fault must open, or the table below shows nothing.
func TestForgeryOpens(t *testing.T) {
	f := newForgery()
	if _, err := delta.Open(f.bytes(t)); err != nil {
		t.Errorf("state: %v", err)
	}
	f = newForgery()
	f.genesis()
	if _, err := delta.Open(f.bytes(t)); err != nil {
		t.Errorf("genesis: %v", err)
	}
}

func repeat(n int, item any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = item
	}
	return list
}

func ids(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = make([]byte, 32)
		binary.BigEndian.PutUint32(list[i], uint32(i))
	}
	return list
}

func wraps(members ...byte) []any {
	list := []any{}
	for _, m := range members {
		list = append(list, []any{bytes.Repeat([]byte{m}, 32), make([]byte, 80)})
	}
	return list
}

// replaceOnce makes a change to bytes that must be there.
func replaceOnce(old, with string) func([]byte) []byte {
	return func(b []byte) []byte {
		if bytes.Count(b, []byte(old)) == 0 {
			panic(fmt.Sprintf("%x not in %x", old, b))
		}
		return bytes.Replace(b, []byte(old), []byte(with), 1)
	}
}

// F13: every fault has a reason of its own.
func TestHostileDeltas(t *testing.T) {
	for name, row := range map[string]struct {
		forge func(f *forgery)
		want  error
	}{
		"empty":                     {func(f *forgery) { f.envelope = func([]byte) []byte { return nil } }, delta.ErrTruncated},
		"oversized":                 {func(f *forgery) { f.sealed = make([]byte, delta.MaxEnvelope) }, delta.ErrTooLarge},
		"text":                      {func(f *forgery) { f.envelope = func([]byte) []byte { return []byte("hello") } }, delta.ErrMalformed},
		"trailing byte":             {func(f *forgery) { f.envelope = func(b []byte) []byte { return append(b, 0) } }, delta.ErrTrailing},
		"trailing byte in header":   {func(f *forgery) { f.header = func(b []byte) []byte { return append(b, 0) } }, delta.ErrTrailing},
		"trailing byte in body":     {func(f *forgery) { f.body = func(b []byte) []byte { return append(b, 0) } }, delta.ErrTrailing},
		"truncated header":          {func(f *forgery) { f.header = func(b []byte) []byte { return b[:len(b)-1] } }, delta.ErrTruncated},
		"truncated body":            {func(f *forgery) { f.body = func(b []byte) []byte { return b[:len(b)-1] } }, delta.ErrTruncated},
		"four parts":                {func(f *forgery) { f.envelope = func(b []byte) []byte { b[0] = 0x84; return append(b, 0) } }, delta.ErrMalformed},
		"nine elements":             {func(f *forgery) { f.header = func(b []byte) []byte { b[0] = 0x89; return b[:len(b)-34] } }, delta.ErrMalformed},
		"eleven elements":           {func(f *forgery) { f.more = []any{1} }, delta.ErrMalformed},
		"24 elements":               {func(f *forgery) { f.version, f.more = 2, repeat(14, 1) }, delta.ErrMalformed},
		"huge header":               {func(f *forgery) { f.version, f.more = 2, []any{make([]byte, delta.MaxHeader)} }, delta.ErrTooLarge},
		"version 0":                 {func(f *forgery) { f.version = 0 }, delta.ErrMalformed},
		"version as text":           {func(f *forgery) { f.version = "1" }, delta.ErrMalformed},
		"negative version":          {func(f *forgery) { f.version = -1 }, delta.ErrMalformed},
		"kind 0":                    {func(f *forgery) { f.kind = 0 }, delta.ErrMalformed},
		"kind 256":                  {func(f *forgery) { f.kind = 256 }, delta.ErrMalformed},
		"short incarnation":         {func(f *forgery) { f.incarnation = make([]byte, 7) }, delta.ErrMalformed},
		"long epoch":                {func(f *forgery) { f.epoch = make([]byte, 33) }, delta.ErrMalformed},
		"parent of 31 bytes":        {func(f *forgery) { f.parents = [][]byte{make([]byte, 31)} }, delta.ErrMalformed},
		"no parents":                {func(f *forgery) { f.parents = [][]byte{} }, delta.ErrParents},
		"unsorted parents":          {func(f *forgery) { p := ids(2); f.parents = [][]byte{p[1], p[0]} }, delta.ErrParents},
		"duplicate parents":         {func(f *forgery) { f.parents = [][]byte{ids(2)[1], ids(2)[1]} }, delta.ErrParents},
		"257 parents":               {func(f *forgery) { f.parents = ids(257) }, delta.ErrTooManyParents},
		"a million parents":         {func(f *forgery) { f.parents = ids(100_000) }, delta.ErrTooLarge},
		"a million parents claimed": {func(f *forgery) { f.header = replaceOnce("\x02\x82\x58\x20", "\x02\x9a\x00\x0f\x42\x40\x58\x20") }, delta.ErrTooManyParents},
		"sequence number 0":         {func(f *forgery) { f.seq = 0 }, delta.ErrSeq},
		"time between ticks":        {func(f *forgery) { f.time = delta.Tick + 1 }, delta.ErrTime},
		"time 0":                    {func(f *forgery) { f.time = 0 }, delta.ErrTime},
		"huge time":                 {func(f *forgery) { f.time = uint64(1) << 63 }, delta.ErrTime},
		"long integer":              {func(f *forgery) { f.header = replaceOnce("\x8a\x01\x58\x20", "\x8a\x18\x01\x58\x20") }, delta.ErrNotCanonical},
		"integer in eight bytes": {func(f *forgery) {
			f.header = replaceOnce("\x8a\x01\x58", "\x8a\x1b\x00\x00\x00\x00\x00\x00\x00\x01\x58")
		}, delta.ErrNotCanonical},
		"long length":               {func(f *forgery) { f.header = replaceOnce("\x01\x58\x20", "\x01\x59\x00\x20") }, delta.ErrNotCanonical},
		"long list":                 {func(f *forgery) { f.header = replaceOnce("\x02\x82\x58\x20\x01", "\x02\x98\x02\x58\x20\x01") }, delta.ErrNotCanonical},
		"indefinite list":           {func(f *forgery) { f.envelope = func(b []byte) []byte { b[0] = 0x9f; return append(b, 0xff) } }, delta.ErrNotCanonical},
		"indefinite list in header": {func(f *forgery) { f.header = func(b []byte) []byte { b[0] = 0x9f; return append(b, 0xff) } }, delta.ErrNotCanonical},
		"reserved head":             {func(f *forgery) { f.header = func(b []byte) []byte { b[1] = 0x1c; return b } }, delta.ErrMalformed},
		"tag":                       {func(f *forgery) { f.header = replaceOnce("\x8a\x01", "\x8a\xc2\x01") }, delta.ErrMalformed},
		"tag behind the ten":        {func(f *forgery) { f.version, f.more = 2, []any{cbor.Tag{Number: 9, Content: 1}} }, delta.ErrMalformed},
		"garbage behind the ten":    {func(f *forgery) { f.version = 2; f.header = func(b []byte) []byte { b[0]++; return append(b, 0xff) } }, delta.ErrMalformed},
		"nothing behind the ten":    {func(f *forgery) { f.version = 2; f.header = func(b []byte) []byte { b[0]++; return b } }, delta.ErrTruncated},
		"deep nesting": {func(f *forgery) {
			f.version = 2
			f.header = func(b []byte) []byte { b[0]++; return append(b, bytes.Repeat([]byte{0x81}, 5000)...) }
		}, errAny},
		"another body":             {func(f *forgery) { f.swap = func(b []byte) []byte { b[len(b)-1]++; return b } }, delta.ErrBody},
		"body is a number":         {func(f *forgery) { f.body = func([]byte) []byte { return []byte{7} } }, delta.ErrMalformed},
		"short seal":               {func(f *forgery) { f.sealed = make([]byte, 39) }, delta.ErrMalformed},
		"unsorted wraps":           {func(f *forgery) { f.wraps = wraps(2, 1) }, delta.ErrWraps},
		"two wraps for one member": {func(f *forgery) { f.wraps = wraps(1, 1) }, delta.ErrWraps},
		"wrap of 81 bytes":         {func(f *forgery) { f.wraps = []any{[]any{make([]byte, 32), make([]byte, 81)}} }, delta.ErrWraps},
		"1025 wraps":               {func(f *forgery) { f.wraps = repeat(1025, 1) }, delta.ErrTooLarge},
		"no signature":             {func(f *forgery) { f.signers = []ident.PrivateKey{} }, delta.ErrMalformed},
		"two signatures": {func(f *forgery) {
			f.signers = []ident.PrivateKey{f.author, f.author}
			f.domains = twice("delta/v1/author")
		}, delta.ErrMalformed},
		"five signatures":            {func(f *forgery) { f.version = 2; f.signers = keys(5, f.author); f.domains = make([]string, 5) }, delta.ErrTooLarge},
		"signed by another":          {func(f *forgery) { f.signers, f.domains = keys(1, ident.NewPrivateKey()), []string{"delta/v1/author"} }, delta.ErrAuthor},
		"signed for another purpose": {func(f *forgery) { f.signers, f.domains = keys(1, f.author), []string{"binding/v1"} }, delta.ErrAuthor},
		"header changed":             {func(f *forgery) { f.envelope = flip(60) }, delta.ErrAuthor},
		"unknown version, signed by another": {func(f *forgery) {
			f.version, f.signers, f.domains = 9, keys(1, ident.NewPrivateKey()), []string{"delta/v1/author"}
		}, delta.ErrAuthor},
		"unknown kind, signed by another": {func(f *forgery) {
			f.kind, f.signers, f.domains = 99, keys(1, ident.NewPrivateKey()), []string{"delta/v1/author"}
		}, delta.ErrAuthor},
		"unknown version, another body":  {func(f *forgery) { f.version = 9; f.swap = func(b []byte) []byte { return append(b, 1) } }, delta.ErrBody},
		"unknown version, bad time":      {func(f *forgery) { f.version, f.time = 9, 5 }, delta.ErrTime},
		"unknown kind, two signatures":   {func(f *forgery) { f.kind, f.signers, f.domains = 99, keys(2, f.author), twice("delta/v1/author") }, delta.ErrMalformed},
		"genesis with a parent":          {func(f *forgery) { f.genesis(); f.parents = ids(1) }, delta.ErrParents},
		"genesis with number 2":          {func(f *forgery) { f.genesis(); f.seq = 2 }, delta.ErrSeq},
		"genesis of another context":     {func(f *forgery) { f.genesis(); f.signers[1] = ident.NewPrivateKey() }, delta.ErrContextKey},
		"genesis signed by author twice": {func(f *forgery) { f.genesis(); f.signers[1] = f.author }, delta.ErrContextKey},
		"genesis, context key for author": {func(f *forgery) {
			f.genesis()
			f.signers[0], f.domains = f.context, twice("delta/v1/genesis")
		}, delta.ErrAuthor},
		"genesis with one signature":    {func(f *forgery) { f.genesis(); f.signers = f.signers[:1] }, delta.ErrMalformed},
		"genesis with three signatures": {func(f *forgery) { f.genesis(); f.signers = keys(3, f.author); f.domains = make([]string, 3) }, delta.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForgery()
			row.forge(f)
			raw := f.bytes(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d, err := delta.Open(raw)
			runtime.ReadMemStats(&after)
			if d != nil || err == nil || !errors.Is(row.want, errAny) && !errors.Is(err, row.want) {
				t.Errorf("got %v, %v; want %v", d, err, row.want)
			}
			if errors.Is(err, delta.ErrUpgrade) {
				t.Errorf("waits for an upgrade: %v", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(4*len(raw))+64<<10 {
				t.Errorf("%d bytes of memory for %d bytes", grown, len(raw))
			}
		})
	}
}

// errAny stands for any error but ErrUpgrade.
var errAny = errors.New("any")

func keys(n int, key ident.PrivateKey) []ident.PrivateKey {
	list := make([]ident.PrivateKey, n)
	for i := range list {
		list[i] = key
	}
	return list
}

func twice(domain string) []string { return []string{domain, domain} }

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 1
		return b
	}
}

// No bit of a delta may be changed by somebody else.
func TestEveryBitCounts(t *testing.T) {
	w := newWorld()
	raw := w.genesis(t, []byte("payload")).Bytes()
	for i := range raw {
		for bit := range 8 {
			changed := bytes.Clone(raw)
			changed[i] ^= 1 << bit
			d, err := delta.Open(changed)
			if err == nil {
				t.Fatalf("byte %d, bit %d: opens as %s", i, bit, d.ID())
			}
			if errors.Is(err, delta.ErrUpgrade) {
				t.Fatalf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
	for n := range raw {
		if _, err := delta.Open(raw[:n]); err == nil {
			t.Fatalf("the first %d bytes open", n)
		}
	}
}

func TestUpgrade(t *testing.T) {
	for name, row := range map[string]struct {
		forge   func(f *forgery)
		version uint64
		kind    delta.Kind
	}{
		"reserved kind":     {func(f *forgery) { f.kind = uint8(delta.KindCheckpoint) }, 1, delta.KindCheckpoint},
		"kind of later":     {func(f *forgery) { f.kind = uint8(delta.KindVoid) }, 1, delta.KindVoid},
		"unknown kind":      {func(f *forgery) { f.kind = 255 }, 1, 255},
		"unknown version":   {func(f *forgery) { f.version = uint64(1) << 63 }, 1 << 63, state},
		"longer header":     {func(f *forgery) { f.version, f.more = 2, []any{"x", []any{1, 2}, []byte{}} }, 2, state},
		"23 elements":       {func(f *forgery) { f.version, f.more = 2, repeat(13, 1) }, 2, state},
		"another body form": {func(f *forgery) { f.version = 2; f.body = func([]byte) []byte { return []byte("no CBOR") } }, 2, state},
		"another genesis":   {func(f *forgery) { f.genesis(); f.version = 2 }, 2, delta.KindGenesis},
		"further signatures": {func(f *forgery) {
			f.version, f.signers = 2, keys(4, f.author)
			f.domains = []string{"delta/v1/author", "", "", ""}
		}, 2, state},
		"both are not known":  {func(f *forgery) { f.version, f.kind = 3, 77 }, 3, 77},
		"empty body of later": {func(f *forgery) { f.version = 2; f.body = func([]byte) []byte { return []byte{} } }, 2, state},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForgery()
			row.forge(f)
			raw := f.bytes(t)
			d, err := delta.Open(raw)
			var up *delta.UpgradeError
			if d != nil || !errors.As(err, &up) || !errors.Is(err, delta.ErrUpgrade) {
				t.Fatalf("got %v, %v; want an UpgradeError", d, err)
			}
			h, id, err := delta.Inspect(raw)
			if err != nil || id != up.ID || h.Version != row.version || h.Kind != row.kind {
				t.Errorf("Inspect: version %d, kind %d, id %s, %v", h.Version, h.Kind, id, err)
			}
			if up.Header.Version != row.version || up.Header.Kind != row.kind || up.Header.Author != f.author.Public() {
				t.Errorf("UpgradeError has %+v", up.Header)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	w := newWorld()
	genesis := w.genesis(f, []byte("payload"))
	f.Add(genesis.Bytes())
	f.Add(w.state(f, 2, nil, genesis.ID()).Bytes())
	later := newForgery()
	later.version, later.more = 2, []any{1}
	f.Add(later.bytes(f))
	f.Add([]byte{0x83, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x83, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, id, formErr := delta.Inspect(raw)
		d, err := delta.Open(bytes.Clone(raw))
		if formErr != nil {
			if err == nil {
				t.Fatalf("opens, and Inspect says %v", formErr)
			}
			return
		}
		var items []cbor.RawMessage
		if err := cbor.Unmarshal(raw, &items); err != nil || len(items) != 3 {
			t.Fatalf("accepted, and the library says %v", err)
		}
		if err != nil {
			return
		}
		if d.ID() != id || !bytes.Equal(d.Bytes(), raw) || d.Header().Body != h.Body {
			t.Fatal("Open and Inspect differ")
		}
	})
}

func TestHeaderOfABeginning(t *testing.T) {
	d, err := delta.Open(newForgery().bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	want := d.Header()
	raw := d.Bytes()
	read := 0
	for n := range len(raw) + 1 {
		h, id, err := delta.HeaderOf(raw[:n])
		if err != nil {
			continue
		}
		read++
		if id != d.ID() || !cmp.Equal(h, want) {
			t.Fatalf("of %d bytes: %s %+v, want %s %+v", n, id, h, d.ID(), want)
		}
	}
	if read == 0 || read == len(raw)+1 {
		t.Errorf("%d of %d beginnings were read", read, len(raw)+1)
	}
}
