package vm_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/ident"
	"mero/node/vm"
)

// memBlobs keeps blobs in memory; an id is the content, cut to 32 bytes.
type memBlobs struct {
	content   map[[32]byte][]byte
	announced [][32]byte
	aborted   int
	open      int
}

type memWriter struct {
	bytes.Buffer
	blobs *memBlobs
}

func (b *memBlobs) Create(context.Context) (vm.BlobWriter, error) {
	return &memWriter{blobs: b}, nil
}

func (b *memBlobs) Open(_ context.Context, id [32]byte) (io.ReadCloser, error) {
	content, ok := b.content[id]
	if !ok {
		return nil, vm.ErrBlobNotFound
	}
	b.open++
	return &memReader{bytes.NewReader(content), b}, nil
}

func (b *memBlobs) Announce(_ context.Context, id [32]byte, _ ident.ContextID) error {
	if b.content[id] == nil {
		return vm.ErrBlobNotFound
	}
	b.announced = append(b.announced, id)
	return nil
}

func (w *memWriter) Commit() (id [32]byte, err error) {
	copy(id[:], w.Bytes())
	w.blobs.content[id] = bytes.Clone(w.Bytes())
	return id, nil
}

func (w *memWriter) Abort() { w.blobs.aborted++ }

type memReader struct {
	*bytes.Reader
	blobs *memBlobs
}

func (r *memReader) Close() error {
	r.blobs.open--
	return nil
}

func TestBlobs(t *testing.T) {
	p := newProgram()
	create, write := p.imp("blob_create", ":I"), p.imp("blob_write", "II:I")
	closeFD, open := p.imp("blob_close", "II:i"), p.imp("blob_open", "I:I")
	read, announce := p.imp("blob_read", "II:I"), p.imp("blob_announce_to_context", "II:i")
	ret := p.imp("value_return", "I:")
	out := p.put(make([]byte, 96))
	id := p.desc(out, 32)
	p.fn("run",
		store64(out+32, call(create)), store64(out+40, call(write, 1, p.buf("hello "))), drop(call(write, 1, p.buf("blob"))),
		drop(call(closeFD, 1, id)),
		store64(out+48, call(open, id)), store64(out+56, call(read, 2, p.desc(out+80, 16))),
		store64(out+64, call(read, 2, p.desc(out+80, 0))),
		store64(out+72, call(open, p.buf(strings.Repeat("u", 32)))), drop(call(read, 3, p.desc(out, 8))),
		drop(call(announce, id, p.buf(strings.Repeat("c", 32)))),
		drop(call(create)), drop(call(write, 4, p.buf("left open"))),
		call(ret, p.desc(0, out, 96)))
	p.fn("bad_handle", drop(call(write, 9, p.buf("x"))))
	p.fn("wrong_way", drop(call(open, p.buf(strings.Repeat("u", 32)))), drop(call(write, 1, p.buf("x"))))
	p.fn("unknown", drop(call(announce, p.buf(strings.Repeat("u", 32)), p.buf(strings.Repeat("c", 32)))))
	p.fn("many", repeat(101, drop(call(create))))
	p.fn("chunk", drop(call(create)), drop(call(write, 1, p.desc(0, 10<<20+1))))
	p.fn("room", drop(call(open, id)), drop(call(read, 1, p.desc(0, 10<<20+1))))
	m := compile(t, p)

	blobs := &memBlobs{content: map[[32]byte][]byte{}}
	got, err := m.Run(t.Context(), vm.Call{Method: "run", Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]byte{32: 1, 40: 6, 48: 2, 56: 10, 64: 0, 72: 3} {
		if got.Output[at] != want {
			t.Errorf("result at %d: %d, want %d", at, got.Output[at], want)
		}
	}
	if text := string(got.Output[80:90]); text != "hello blob" || len(blobs.announced) != 1 {
		t.Errorf("read %q, announced %v", text, blobs.announced)
	}
	if blobs.aborted != 1 || blobs.open != 0 {
		t.Errorf("%d writers aborted, %d readers open, want 1 and 0", blobs.aborted, blobs.open)
	}
	for method, want := range map[string]string{
		"bad_handle": "invalid blob handle",
		"wrong_way":  "invalid blob handle",
		"unknown":    "blob operations not supported (NodeClient not available)",
		"many":       "too many blob handles (max: 100)",
		"chunk":      "blob write too large (size: 10485761, max: 10485760)",
		"room":       "blob buffer too large (size: 10485761, max: 10485760)",
	} {
		if _, err := m.Run(t.Context(), vm.Call{Method: method, Blobs: blobs}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", method, err, want)
		}
	}
}

type members []ident.PublicKey

func (m members) IsMember(key ident.PublicKey) bool { return slices.Contains(m, key) }
func (m members) Members() []ident.PublicKey        { return m }

type aliases map[string]ident.ContextID

func (a aliases) Resolve(name string) (ident.ContextID, bool) {
	id, ok := a[name]
	return id, ok
}

func TestContextFunctions(t *testing.T) {
	id := func(c string) string { return strings.Repeat(c, 32) }
	key := func(c string) (k ident.PublicKey) { copy(k[:], id(c)); return k }
	p := newProgram()
	create, del := p.imp("context_create", "IIII:"), p.imp("context_delete", "I:")
	add, remove := p.imp("context_add_member", "I:"), p.imp("context_remove_member", "I:")
	is, all := p.imp("context_is_member", "I:i"), p.imp("context_members", "I:")
	resolve, read := p.imp("context_resolve_alias", "II:i"), p.imp("read_register", "II:i")
	ret, xcall := p.imp("value_return", "I:"), p.imp("xcall", "I:")
	handler := p.imp("emit_with_handler", "II:")
	out := p.put(make([]byte, 80))
	p.fn("run",
		call(create, p.buf("near"), p.buf(id("a")), p.buf("{}"), p.buf("room")), call(create, p.buf("near"), p.buf(id("a")), p.buf(""), 0),
		call(del, p.buf(id("c"))), call(add, p.buf(id("m"))), call(remove, p.buf(id("n"))),
		store32(out, call(is, p.buf(id("m")))), store32(out+4, call(is, p.buf(id("x")))),
		call(all, 1), drop(call(read, 1, p.desc(out+8, 36))),
		drop(call(resolve, p.buf("old"), 2)), drop(call(read, 2, p.desc(out+44, 32))),
		store32(out+76, call(resolve, p.buf("none"), 2)),
		call(xcall, p.desc(p.put([]byte(id("t"))), 32, p.put([]byte("go")), 2, p.put([]byte("{}")), 2)),
		call(handler, p.desc(p.put([]byte("K")), 1, 0, 0), p.buf("on_k")), call(handler, p.desc(p.put([]byte("K")), 1, 0, 0), 0),
		call(ret, p.desc(0, out, 80)))
	p.fn("taken", call(create, p.buf("near"), p.buf(id("a")), p.buf(""), p.buf("old")))
	p.fn("twice", call(create, p.buf(""), p.buf(id("a")), p.buf(""), p.buf("b")), call(create, p.buf(""), p.buf(id("a")), p.buf(""), p.buf("b")))
	p.fn("long", call(create, p.buf(""), p.buf(id("a")), p.buf(""), p.buf(strings.Repeat("l", 51))))
	p.fn("nobody", store32(out, call(is, p.buf(id("m")))), call(all, 1), drop(call(read, 1, p.desc(out+4, 4))), call(ret, p.desc(0, out, 8)))
	m := compile(t, p)
	base := vm.Call{Method: "run", Members: members{key("m")}, Aliases: aliases{"old": ident.ContextID(key("o"))}}
	got, err := m.Run(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	want := &vm.Outcome{
		Output:    []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00" + id("m") + id("o") + "\x00\x00\x00\x00"),
		HasOutput: true,
		ContextOps: []vm.ContextOp{
			{Kind: vm.ContextCreate, Protocol: "near", App: ident.AppID(key("a")), Params: []byte("{}"), Alias: "room"},
			{Kind: vm.ContextCreate, Protocol: "near", App: ident.AppID(key("a")), Params: []byte{}},
			{Kind: vm.ContextDelete, Context: ident.ContextID(key("c"))},
			{Kind: vm.ContextAddMember, Member: key("m")},
			{Kind: vm.ContextRemoveMember, Member: key("n")},
		},
		XCalls: []vm.XCall{{Context: ident.ContextID(key("t")), Function: "go", Params: []byte("{}")}},
		Events: []vm.Event{{Kind: "K", Data: []byte{}, Handler: "on_k"}, {Kind: "K", Data: []byte{}}},
	}
	if diff := cmp.Diff(got, want, ignoreFuel); diff != "" {
		t.Errorf("outcome (-got +want):\n%s", diff)
	}
	for method, want := range map[string]string{
		"taken": "alias already exists: old", "twice": "alias already exists: b", "long": "alias too long: 51",
	} {
		c := base
		c.Method = method
		if _, err := m.Run(t.Context(), c); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", method, err, want)
		}
	}
	if got, err := m.Run(t.Context(), vm.Call{Method: "nobody"}); err != nil || !bytes.Equal(got.Output, make([]byte, 8)) {
		t.Errorf("without members: %v, %v", got.Output, err)
	}
}

func TestVerify(t *testing.T) {
	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	public := string(private.Public().(ed25519.PublicKey))
	good := string(ed25519.Sign(private, []byte("message")))
	for name, tc := range map[string]struct {
		key, signature string
		want           byte
		err            string
	}{
		"valid":          {public, good, 1, ""},
		"invalid":        {public, strings.Repeat("s", 64), 0, ""},
		"other point":    {string(ed25519.NewKeyFromSeed([]byte(strings.Repeat("o", 32))).Public().(ed25519.PublicKey)), good, 0, ""},
		"no point":       {"\x02" + strings.Repeat("\x00", 31), good, 0, "incorrect ed25519 public key"},
		"no other point": {"\x07" + strings.Repeat("\x00", 31), good, 0, "incorrect ed25519 public key"},
		"small point":    {"\x01" + strings.Repeat("\x00", 31), good, 0, ""},
		"short key":      {"key", good, 0, "invalid memory access"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram()
			verify, ret := p.imp("ed25519_verify", "III:i"), p.imp("value_return", "I:")
			out := p.put(make([]byte, 4))
			p.fn("run", store32(out, call(verify, p.buf(tc.signature), p.buf(tc.key), p.buf("message"))), call(ret, p.desc(0, out, 1)))
			got, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run"})
			var e *vm.Error
			switch {
			case tc.err != "":
				if !errors.As(err, &e) || e.Error() != tc.err {
					t.Errorf("got %v, want %s", err, tc.err)
				}
			case err != nil || got.Output[0] != tc.want:
				t.Errorf("got %v, %v, want %d", got.Output, err, tc.want)
			}
		})
	}
}

func TestFetchIsDisabled(t *testing.T) {
	p := newProgram()
	fetch, read, ret := p.imp("fetch", "IIIII:i"), p.imp("read_register", "II:i"), p.imp("value_return", "I:")
	const text = "Host function 'fetch' is temporarily disabled."
	out := p.put(make([]byte, 64))
	p.fn("run", store32(out, call(fetch, 0, 0, 0, 0, 5)), drop(call(read, 5, p.desc(out+4, uint64(len(text))))), call(ret, p.desc(0, out, uint64(4+len(text)))))
	got, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run"})
	if err != nil || string(got.Output) != "\x01\x00\x00\x00"+text {
		t.Errorf("got %q, %v", got.Output, err)
	}
}
