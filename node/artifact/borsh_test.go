package artifact_test

import (
	"encoding/binary"
	"slices"

	"mero/node/artifact"
)

// The artifacts of the tests are written from the notation of wasm-abi 6.2, one
// layout after the other, without the tables by which the package reads them.

type signature struct {
	bytes  [64]byte
	nonce  uint64
	signer *[32]byte
}

// storage is a storage type; keys are the owner, the writers, or the anchor.
type storage struct {
	tag       byte
	keys      [][32]byte
	signature *signature
}

type meta struct {
	created, updated uint64
	storage          storage
	crdt             []any // tag, then strings; nil: none
	field            string
	schema           uint32
}

type child struct {
	id, hash [32]byte
	meta     meta
}

type step struct {
	tag       byte
	id        [32]byte
	data      string
	ancestors []child
	deleted   uint64
	meta      meta
}

type writer struct {
	layout artifact.Layout
	out    []byte
}

func write(layout artifact.Layout, steps ...step) []byte {
	w := &writer{layout: layout}
	w.u8(0)
	w.u32(len(steps))
	for _, s := range steps {
		w.step(s)
	}
	return w.out
}

func (w *writer) u8(b byte)     { w.out = append(w.out, b) }
func (w *writer) u32(n int)     { w.out = binary.LittleEndian.AppendUint32(w.out, uint32(n)) }
func (w *writer) u64(n uint64)  { w.out = binary.LittleEndian.AppendUint64(w.out, n) }
func (w *writer) raw(b []byte)  { w.out = append(w.out, b...) }
func (w *writer) str(s string)  { w.u32(len(s)); w.raw([]byte(s)) }
func (w *writer) some(yes bool) { w.u8(map[bool]byte{true: 1}[yes]) }

func (w *writer) step(s step) {
	w.u8(s.tag)
	w.raw(s.id[:])
	switch {
	case s.tag == 0, s.tag == 3:
		w.str(s.data)
		w.children(s.ancestors)
		w.meta(s.meta)
	case s.tag == 2 && w.layout == artifact.L1:
		w.children(s.ancestors)
	case s.tag == 2:
		w.u64(s.deleted)
		if w.layout != artifact.L2 {
			w.meta(s.meta)
		}
	}
}

func (w *writer) children(children []child) {
	w.u32(len(children))
	for _, c := range children {
		w.raw(c.id[:])
		w.raw(c.hash[:])
		w.meta(c.meta)
	}
}

func (w *writer) meta(m meta) {
	w.u64(m.created)
	w.u64(m.updated)
	switch w.layout {
	case artifact.L1, artifact.L2:
	case artifact.L3:
		w.storage(m.storage)
	case artifact.L3b:
		w.storage(m.storage)
		w.crdt(m.crdt)
	default:
		w.storage(m.storage)
		w.crdt(m.crdt)
		if w.some(m.field != ""); m.field != "" {
			w.str(m.field)
		}
	}
	if w.layout == artifact.L7 {
		if w.some(m.schema != 0); m.schema != 0 {
			w.u32(int(m.schema))
		}
	}
}

func (w *writer) crdt(parts []any) {
	w.some(parts != nil)
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			w.u8(byte(p))
		case string:
			w.str(p)
		}
	}
}

func (w *writer) storage(s storage) {
	w.u8(s.tag)
	switch s.tag {
	case 1, 4:
		w.raw(s.keys[0][:])
	case 3:
		w.writers(s.keys)
	default:
		return
	}
	if w.some(s.signature != nil); s.signature == nil {
		return
	}
	w.raw(s.signature.bytes[:])
	w.u64(s.signature.nonce)
	if w.layout == artifact.L6 || w.layout == artifact.L7 {
		if w.some(s.signature.signer != nil); s.signature.signer != nil {
			w.raw(s.signature.signer[:])
		}
	}
}

func (w *writer) writers(keys [][32]byte) {
	w.u32(len(keys))
	for _, k := range keys {
		w.raw(k[:])
		if w.layout == artifact.L7 {
			w.u8(7)
		}
	}
}

func all() []artifact.Layout {
	return []artifact.Layout{artifact.L1, artifact.L2, artifact.L3, artifact.L3b, artifact.L4, artifact.L5, artifact.L6, artifact.L7}
}

func bytes32(first byte) (b [32]byte) {
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// telling is an artifact with what only this layout has, or its first.
func telling(l artifact.Layout) []byte {
	m := meta{created: 5, updated: 9}
	own := storage{tag: 1, keys: [][32]byte{bytes32(40)}, signature: &signature{nonce: 9}}
	ancestors := []child{{id: bytes32(1), hash: bytes32(2), meta: m}, {id: bytes32(3), hash: bytes32(4), meta: m}}
	entry := step{tag: 0, id: bytes32(7), data: "entry", ancestors: ancestors, meta: m}
	gone := step{tag: 2, id: bytes32(8), ancestors: ancestors[:1], deleted: 11, meta: m}
	update := step{tag: 3, id: bytes32(9), data: "", meta: m}
	switch l {
	case artifact.L1, artifact.L2: // deletions tell
	case artifact.L3:
		entry.meta.storage = own
	case artifact.L3b:
		entry.meta.crdt = []any{9, "Custom"}
		update.meta.storage = own
	case artifact.L4:
		entry.meta.crdt, entry.meta.field = []any{0}, "items"
		update.meta.crdt = []any{3}
	case artifact.L5:
		entry.meta.crdt, entry.meta.field = []any{4, "String", "u64"}, "items"
		update.meta.storage = own
	case artifact.L6:
		entry.meta.crdt = []any{9}
		update.meta.storage = storage{tag: 3, keys: [][32]byte{bytes32(1), bytes32(2)}, signature: &signature{signer: &[32]byte{1}}}
	case artifact.L7:
		entry.meta.crdt, entry.meta.schema = []any{5, "String", "u64"}, 2
		entry.ancestors = slices.Clone(ancestors)
		entry.ancestors[0].meta.crdt = []any{13}
		update.meta.storage = storage{tag: 4, keys: [][32]byte{bytes32(1)}, signature: &signature{}}
		gone.meta.storage = storage{tag: 3, keys: [][32]byte{bytes32(1), bytes32(2)}}
	}
	return write(l, entry, gone, update)
}
