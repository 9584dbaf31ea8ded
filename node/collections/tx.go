package collections

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// handle is an opened collection. Its object is looked up whenever it was made.
type handle struct {
	object
	holder Ref // the collection that holds it
	// named is its number in the operations, as long as what is there was made by namedMade.
	named     int
	namedMade Stamp
}

// Tx is what one call does: it reads its own writes, which it makes on top of the state below and
// records as operations. It is for one goroutine.
type Tx struct {
	engine   *engine
	readOnly bool
	handles  []*handle
	opened   map[string]Ref
	ops      []byte
	failed   error // why nothing more can be written
	over     bool
	writes   []Write
}

// Begin starts a call that may write.
func Begin(kv KV, o Origin) *Tx {
	e := newEngine(kv, o)
	return &Tx{engine: e, handles: []*handle{{object: *e.objects[0]}}, opened: map[string]Ref{}}
}

// BeginReadOnly starts a call that may not: writing gives [ErrReadOnly].
func BeginReadOnly(kv KV) *Tx {
	t := Begin(kv, Origin{})
	t.readOnly = true
	return t
}

// Ops gives the operations of the call, encoded; nil: it wrote nothing. [Fold] makes them.
func (t *Tx) Ops() []byte { return t.ops }

// Writes gives what folding Ops changes, ascending, if nothing else is folded before. Nothing can
// be written after.
func (t *Tx) Writes() ([]Write, error) {
	if len(t.ops) == 0 || t.over {
		return t.writes, nil
	}
	var err error
	if t.writes, err = t.engine.finish(); err != nil {
		return nil, t.fail(err)
	}
	t.over = true
	t.failed = fmt.Errorf("%w: the call is over", ErrReadOnly)
	return t.writes, nil
}

// Work counts what has been done since Begin: rows read and written, and their bytes / 64.
func (t *Tx) Work() uint64 { return t.engine.rows.work }

// Open gives a handle of the collection at a key of the root, of a map or of a collection by
// member (where the key is a member's, of 32 bytes). It writes nothing: the collection comes to be
// with the first write in it. It is [ErrKind] if there is a collection with another kind or flags,
// or a value.
func (t *Tx) Open(parent Ref, key []byte, k Kind, f Flags) (Ref, error) {
	in, err := t.handle(parent)
	if err != nil {
		return 0, err
	}
	if !in.kind.hasKeys() {
		return 0, fmt.Errorf("%w: %s is %v, nothing is opened in it by key", ErrKind, t.name(in), in.kind)
	}
	if err := t.checkKey(in, key); err != nil {
		return 0, err
	}
	return t.open(in, parent, keyStep(key), k, f)
}

// open gives a handle of what is at a place.
func (t *Tx) open(in *handle, parent Ref, s step, k Kind, f Flags) (Ref, error) {
	if !k.isCollection() || !f.validFor(k) {
		return 0, fmt.Errorf("%w: there is no %s (flags %d)", ErrKind, strings.TrimPrefix(k.String(), "a "), f)
	}
	if in.depth >= MaxDepth {
		return 0, fmt.Errorf("%w: %s is at depth %d, the last", ErrDepth, t.name(in), MaxDepth)
	}
	if err := t.checkKind(in, s, k, f); err != nil {
		return 0, err
	}
	id := string(append(binary.BigEndian.AppendUint32(nil, uint32(parent)), byte(k), byte(f))) + string(s.row(objectID{}))
	if known, ok := t.opened[id]; ok {
		return known, nil
	}
	if len(t.handles) >= MaxRefs {
		return 0, fmt.Errorf("%w: more than %d collections opened", ErrFull, MaxRefs)
	}
	s.key = append([]byte(nil), s.key...)
	t.handles = append(t.handles, &handle{object: *in.child(s, k, f, math.MaxUint64), holder: parent})
	ref := Ref(len(t.handles) - 1)
	t.opened[id] = ref
	return ref, nil
}

// checkKind says whether a collection that is at a place is of that kind. If there is none it may
// be of any.
func (t *Tx) checkKind(in *handle, s step, k Kind, f Flags) error {
	there, err := t.engine.find(&in.object)
	if err != nil || !there {
		return err
	}
	at, ok, err := t.engine.entryAt(&in.object, s)
	if err != nil || !ok || at.kind == k && at.flags == f {
		return err
	}
	return fmt.Errorf("%w: %s is %s, not %s", ErrKind, t.nameAt(in, s), describe(at.kind, at.flags), describe(k, f))
}

func (t *Tx) handle(r Ref) (*handle, error) {
	if r < 0 || int(r) >= len(t.handles) {
		return nil, fmt.Errorf("%w: %d", ErrRef, r)
	}
	return t.handles[r], nil
}

// reader gives an opened collection of one of some kinds, and whether there is such.
func (t *Tx) reader(r Ref, kinds ...Kind) (h *handle, there bool, err error) {
	if h, err = t.handle(r); err != nil {
		return nil, false, err
	}
	if slices.Contains(kinds, h.kind) {
		there, err = t.engine.find(&h.object)
		return h, there, err
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return nil, false, fmt.Errorf("%w: %s is %v, not %s", ErrKind, t.name(h), h.kind, strings.Join(names, " or "))
}

// writer gives an opened collection of one of some kinds to write in.
func (t *Tx) writer(r Ref, kinds ...Kind) (h *handle, there bool, err error) {
	if h, there, err = t.reader(r, kinds...); err != nil {
		return nil, false, err
	}
	switch {
	case t.readOnly:
		err = fmt.Errorf("%w: this call may not write in %s", ErrReadOnly, t.name(h))
	case t.failed != nil:
		err = t.failed
	case !t.engine.mayWrite(&h.object):
		err = fmt.Errorf("%w: %s belongs to another member", ErrOwner, t.name(h))
	}
	return h, there, err
}

// number gives the number of a collection in the operations, and makes it if it is not there.
func (t *Tx) number(h *handle) (int, error) {
	if h.parent == nil {
		return 0, nil
	}
	there, err := t.engine.find(&h.object)
	if err != nil {
		return 0, err
	}
	if there && h.named > 0 && h.namedMade == h.made {
		return h.named, nil
	}
	holder := t.handles[h.holder]
	in, err := t.number(holder)
	if err != nil {
		return 0, err
	}
	next := op{code: opOpen, object: in, step: h.step, kind: h.kind, flags: h.flags, birth: h.last.Time >> 16}
	if !there {
		if h.step.isElement {
			return 0, fmt.Errorf("%w: the element of %s was removed", ErrIndex, t.name(holder))
		}
		if err := t.checkKind(holder, h.step, h.kind, h.flags); err != nil {
			return 0, err
		}
		next.code, next.birth = opMake, 0
	}
	if err := t.record(&next); err != nil {
		return 0, err
	}
	if there, err = t.engine.find(&h.object); err != nil || !there {
		return 0, t.fail(fmt.Errorf("%w: %s cannot be made: %w", ErrDamaged, t.name(h), err))
	}
	h.named, h.namedMade = len(t.engine.objects)-1, h.made
	return h.named, nil
}

// write records and makes an operation in a collection.
func (t *Tx) write(h *handle, o op) error {
	number, err := t.number(h)
	if err != nil {
		return err
	}
	o.object = number
	return t.record(&o)
}

// record records and makes an operation. After an error nothing more can be written: the call is
// over, and what it has done is to be given up.
func (t *Tx) record(o *op) error {
	if err := t.engine.check(true); err != nil {
		return t.fail(fmt.Errorf("%w: the half of %w", ErrFull, err))
	}
	if t.engine.number >= MaxOps {
		return t.fail(fmt.Errorf("%w: more than %d operations", ErrFull, MaxOps))
	}
	if len(t.ops) == 0 {
		t.ops = append(t.ops, opsVersion)
	}
	before := len(t.ops)
	t.ops = o.append(t.ops)
	if len(t.ops) > MaxOpBytes {
		t.ops = t.ops[:before]
		return t.fail(fmt.Errorf("%w: more than %d bytes of operations", ErrFull, MaxOpBytes))
	}
	err := t.engine.do(o)
	if limit := (*LimitError)(nil); errors.As(err, &limit) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return t.fail(err)
	}
	return nil
}

func (t *Tx) fail(err error) error {
	t.failed = err
	return err
}

// checkKey says whether a collection can have a key.
func (t *Tx) checkKey(in *handle, key []byte) error {
	switch {
	case in.kind == root && (len(key) == 0 || len(key) > MaxName || !utf8.Valid(key)):
		return fmt.Errorf("%w: a collection's name in the root is 1 to %d bytes of UTF-8, not %d bytes", ErrName, MaxName, len(key))
	case in.kind == Members && len(key) != memberKey:
		return fmt.Errorf("%w: the keys of %s are members of %d bytes, not of %d", ErrKeySize, t.name(in), memberKey, len(key))
	case len(key) == 0 || len(key) > MaxKey:
		return fmt.Errorf("%w: the keys of %s have 1 to %d bytes, not %d", ErrKeySize, t.name(in), MaxKey, len(key))
	}
	return nil
}

func (t *Tx) checkValue(h *handle, value []byte) error {
	if len(value) > MaxValue {
		return fmt.Errorf("%w: %d bytes for %s, where %d are the most", ErrValueSize, len(value), t.name(h), MaxValue)
	}
	return nil
}

// name gives a collection's path, for messages.
func (t *Tx) name(h *handle) string {
	if h.parent == nil {
		return "the root"
	}
	return t.nameAt(t.handles[h.holder], h.step)
}

func (t *Tx) nameAt(in *handle, s step) string {
	parts := []string{s.words(in.kind)}
	for ; in.parent != nil; in = t.handles[in.holder] {
		parts = append([]string{in.step.words(in.parent.kind)}, parts...)
	}
	return "'" + strings.Join(parts, "/") + "'"
}

// words gives a key or an element of a collection of some kind, for messages.
func (s step) words(in Kind) string {
	if s.isElement {
		return "[]"
	}
	if in == Members && len(s.key) == memberKey {
		return memberName(s.key)
	}
	const most = 64
	key := s.key
	if len(key) > most {
		key = key[:most]
	}
	quoted := strconv.Quote(string(key))
	return quoted[1 : len(quoted)-1]
}

// memberName is how people know a member: its key in base58.
func memberName(key []byte) string {
	const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	zeros := len(key) - len(bytes.TrimLeft(key, "\x00"))
	name := []byte(strings.Repeat(base58[:1], zeros))
	for n, base := new(big.Int).SetBytes(key), big.NewInt(58); n.Sign() > 0; {
		var digit big.Int
		n.DivMod(n, base, &digit)
		name = append(name, base58[digit.Int64()])
	}
	slices.Reverse(name[zeros:])
	return string(name)
}
