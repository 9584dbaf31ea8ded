package collections

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// sequence gives an opened list or text; without rows if it is not there.
func (t *Tx) sequence(h *handle, there bool) (*sequence, error) {
	if !there {
		return &sequence{engine: t.engine, isText: h.kind == Text}, nil
	}
	return t.engine.open(h.id, h.kind)
}

// readSequence gives an opened list or text to read at n elements from an index.
func (t *Tx) readSequence(r Ref, k Kind, from, n int64) (*handle, *sequence, error) {
	h, there, err := t.reader(r, k)
	if err != nil {
		return nil, nil, err
	}
	s, err := t.sequence(h, there)
	if err != nil {
		return nil, nil, err
	}
	return h, s, t.checkRange(h, s, from, n)
}

// checkRange says whether there are n elements from an index.
func (t *Tx) checkRange(h *handle, s *sequence, from, n int64) error {
	size := int64(s.head.visible)
	switch {
	case n < 0:
		return fmt.Errorf("%w: %d elements of %s", ErrIndex, n, t.name(h))
	case from < 0 || from > size || n > size-from:
		if n > 1 {
			return fmt.Errorf("%w: %d elements from %d of %s, which has %d", ErrIndex, n, from, t.name(h), size)
		}
		return fmt.Errorf("%w: %d of %s, which has %d", ErrIndex, from, t.name(h), size)
	}
	return nil
}

// place gives the element of a list at an index.
func (t *Tx) place(list Ref, index int64) (h *handle, s step, at entry, err error) {
	h, q, err := t.readSequence(list, List, index, 1)
	if err != nil {
		return nil, step{}, entry{}, err
	}
	p, err := q.find(uint64(index))
	if err != nil {
		return nil, step{}, entry{}, err
	}
	s = elementStep(p.element())
	at, ok, err := t.engine.entryAt(&h.object, s)
	if err == nil && !ok {
		err = fmt.Errorf("%w: no row of a list's element", ErrDamaged)
	}
	return h, s, at, err
}

// OpenAt gives a handle of a collection in a list. The handle stays with it when its index
// changes.
func (t *Tx) OpenAt(list Ref, index int64, k Kind, f Flags) (Ref, error) {
	h, s, _, err := t.place(list, index)
	if err != nil {
		return 0, err
	}
	return t.open(h, list, s, k, f)
}

// KindAt tells what is at an index of a list.
func (t *Tx) KindAt(list Ref, index int64) (Kind, error) {
	_, _, at, err := t.place(list, index)
	return at.kind, err
}

// At gives a value of a list. A collection there is [ErrKind].
func (t *Tx) At(list Ref, index int64) ([]byte, error) {
	h, _, at, err := t.place(list, index)
	if err == nil && at.kind != Value {
		err = fmt.Errorf("%w: %d of %s is %v, not a value", ErrKind, index, t.name(h), at.kind)
	}
	return at.value, err
}

// Items gives n elements of a list from an index, at most [MaxItems] and [MaxItemBytes] together:
// what is missing is to be asked for again.
func (t *Tx) Items(list Ref, from, n int64) ([]Item, error) {
	h, s, err := t.readSequence(list, List, from, n)
	if err != nil || n == 0 {
		return nil, err
	}
	n = min(n, MaxItems)
	items, size := make([]Item, 0, n), 0
	err = s.walk(uint64(from), uint64(n), func(p *piece, off, count uint32) error {
		for i := off; i < off+count && size <= MaxItemBytes; i++ {
			at, ok, err := t.engine.entryAt(&h.object, elementStep(element{run: p.run, off: i}))
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("%w: no row of a list's element", ErrDamaged)
			}
			if size += len(at.value); size <= MaxItemBytes || len(items) == 0 {
				items = append(items, Item{Value: at.value, Kind: at.kind, Flags: at.flags, Stamp: at.stamp})
			}
		}
		return nil
	})
	return items, err
}

// walk visits n visible elements from an index, in parts of pieces: the first one's number in its
// run, and how many.
func (s *sequence) walk(from, n uint64, visit func(p *piece, off, count uint32) error) error {
	for n > 0 {
		at, err := s.find(from)
		if err != nil {
			return err
		}
		for i := at.piece; i < len(at.leaf.pieces) && n > 0; i++ {
			p := &at.leaf.pieces[i]
			if p.removed {
				continue
			}
			count := uint32(min(uint64(p.n-at.at), n))
			if err := visit(p, p.off+at.at, count); err != nil {
				return err
			}
			from, n, at.at = from+uint64(count), n-uint64(count), 0
		}
	}
	return nil
}

// anchor gives the place before the element at an index, as Fugue has it.
func (s *sequence) anchor(index uint64) (anchor, error) {
	if s.head.top == 0 {
		return anchor{}, nil
	}
	if index == 0 {
		l, err := s.first(s.head.top)
		if err != nil {
			return anchor{}, err
		}
		return anchor{before: true, element: l.pieces[0].element}, nil
	}
	p, err := s.find(index - 1)
	if err != nil {
		return anchor{}, err
	}
	left := p.leaf.pieces[p.piece]
	if p.at+1 < left.n {
		p.at++
		return anchor{before: true, element: p.element()}, nil
	}
	if !left.right {
		return anchor{element: p.element()}, nil
	}
	if p.piece+1 < len(p.leaf.pieces) {
		return anchor{before: true, element: p.leaf.pieces[p.piece+1].element}, nil
	}
	next, err := s.after(p.leaf)
	if err != nil {
		return anchor{}, err
	}
	return anchor{before: true, element: next.pieces[0].element}, nil
}

// insertion gives an opened list or text, and the place for something before an index.
func (t *Tx) insertion(r Ref, k Kind, index int64) (*handle, anchor, error) {
	h, there, err := t.writer(r, k)
	if err != nil {
		return nil, anchor{}, err
	}
	s, err := t.sequence(h, there)
	if err != nil {
		return nil, anchor{}, err
	}
	if err := t.checkRange(h, s, index, 0); err != nil {
		return nil, anchor{}, err
	}
	a, err := s.anchor(uint64(index))
	return h, a, err
}

// Insert puts values into a list, before the element at an index; at the length: at the end.
// Those of one call stay together, whatever others insert there meanwhile.
func (t *Tx) Insert(list Ref, index int64, values ...[]byte) error {
	for len(values) > 0 {
		h, a, err := t.insertion(list, List, index)
		if err != nil {
			return err
		}
		n := min(len(values), MaxRun)
		for _, v := range values[:n] {
			if err := t.checkValue(h, v); err != nil {
				return err
			}
		}
		if err := t.write(h, op{code: opInsert, anchor: a, values: values[:n]}); err != nil {
			return err
		}
		index, values = index+int64(n), values[n:]
	}
	return nil
}

// InsertOpen puts a new collection into a list and opens it.
func (t *Tx) InsertOpen(list Ref, index int64, k Kind, f Flags) (Ref, error) {
	h, a, err := t.insertion(list, List, index)
	if err != nil {
		return 0, err
	}
	if !k.isCollection() || !f.validFor(k) {
		return 0, fmt.Errorf("%w: there is no %s", ErrKind, describe(k, f))
	}
	if h.depth >= MaxDepth {
		return 0, fmt.Errorf("%w: %s is at depth %d, the last", ErrDepth, t.name(h), MaxDepth)
	}
	if err := t.write(h, op{code: opInsertOpen, anchor: a, kind: k, flags: f}); err != nil {
		return 0, err
	}
	return t.OpenAt(list, index, k, f)
}

// SetAt sets a value of a list. The last in order wins; removing wins over setting.
func (t *Tx) SetAt(list Ref, index int64, value []byte) error {
	h, _, err := t.writer(list, List)
	if err != nil {
		return err
	}
	if err := t.checkValue(h, value); err != nil {
		return err
	}
	_, s, at, err := t.place(list, index)
	if err != nil {
		return err
	}
	if at.kind != Value {
		return fmt.Errorf("%w: %d of %s is %v: remove it first", ErrKind, index, t.name(h), at.kind)
	}
	return t.write(h, op{code: opSet, step: s, value: value})
}

// RemoveAt removes n elements of a list from an index, with what is in them.
func (t *Tx) RemoveAt(list Ref, index, n int64) error {
	return t.erase(list, List, index, n, MaxRun)
}

// Slice gives n code points of a text from an index.
func (t *Tx) Slice(text Ref, from, n int64) (string, error) {
	_, s, err := t.readSequence(text, Text, from, n)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = s.walk(uint64(from), uint64(n), func(p *piece, off, count uint32) error {
		rest := p.text[byteOffset(p.text, int(off-p.off)):]
		b.Write(rest[:byteOffset(rest, int(count))])
		return nil
	})
	return b.String(), err
}

// InsertText puts s into a text before the code point at an index; at the length: at the end.
// It stays together, whatever others insert there meanwhile.
func (t *Tx) InsertText(text Ref, at int64, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: the text to be inserted", ErrText)
	}
	for {
		h, a, err := t.insertion(text, Text, at)
		if err != nil || s == "" {
			return err
		}
		n := min(len(s), MaxInsert)
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		if err := t.write(h, op{code: opType, anchor: a, value: []byte(s[:n])}); err != nil {
			return err
		}
		at += int64(utf8.RuneCountInString(s[:n]))
		s = s[n:]
	}
}

// RemoveText removes n code points of a text from an index.
func (t *Tx) RemoveText(text Ref, at, n int64) error {
	return t.erase(text, Text, at, n, MaxInsert)
}

// erase removes n elements, most in one operation.
func (t *Tx) erase(r Ref, k Kind, from, n, most int64) error {
	h, there, err := t.writer(r, k)
	if err != nil {
		return err
	}
	for first := true; first || n > 0; first = false {
		s, err := t.sequence(h, there)
		if err != nil {
			return err
		}
		if err := t.checkRange(h, s, from, n); err != nil || n == 0 {
			return err
		}
		var spans []span
		count := min(n, most)
		err = s.walk(uint64(from), uint64(count), func(p *piece, off, count uint32) error {
			if i := len(spans) - 1; i >= 0 && spans[i].run == p.run && spans[i].off+spans[i].n == off {
				spans[i].n += count
			} else {
				spans = append(spans, span{element: element{run: p.run, off: off}, n: count})
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := t.write(h, op{code: opErase, spans: spans}); err != nil {
			return err
		}
		n -= count
	}
	return nil
}
