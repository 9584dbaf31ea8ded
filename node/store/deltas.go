package store

import (
	"encoding/binary"
	"fmt"
	"iter"

	"mero/node/delta"
	"mero/node/ident"
)

// A delta is two values. In spaceDelta, by id, lie its time and its envelope without
// the beginning; in spaceFate, in canonical order, its fate and reason and that
// beginning, which holds the header: so the graph of a context is read in one sweep,
// without bodies, and nothing is stored twice. Where the beginning is long, and in
// stores of older releases, spaceDelta has the whole envelope.
//
//	spaceDelta  u64 time | rest of the envelope
//	spaceFate   fate | reason
//	            fate + 80 | uvarint length | beginning of the envelope | reason
const (
	fateHeaded = 0x80
	// maxBeginning keeps values of spaceFate, with their reasons, in one page: they
	// are overwritten without looking at what was there.
	maxBeginning = 2 << 10
	timeBytes    = 8
)

// beginning is the part of an envelope up to the end of its header (a CBOR array
// whose first item is a byte string); nil where it is long, or not of that form.
func beginning(envelope []byte) []byte {
	const arrayOf3, shortBytes, bytes8, bytes16 = 0x83, 0x40, 0x58, 0x59
	if len(envelope) < 4 || envelope[0] != arrayOf3 {
		return nil
	}
	var end int
	switch b := envelope[1]; {
	case b >= shortBytes && b < bytes8:
		end = 2 + int(b-shortBytes)
	case b == bytes8:
		end = 3 + int(envelope[2])
	case b == bytes16:
		end = 4 + int(binary.BigEndian.Uint16(envelope[2:]))
	default:
		return nil
	}
	if end > len(envelope) || end > maxBeginning {
		return nil
	}
	return envelope[:end]
}

// deltaWrites are the records of a delta in a generation. begin is the beginning
// that is stored, where the step gives a fate only.
func deltaWrites(out []write, id ident.ContextID, generation uint32, d *DeltaRecord, begin []byte) []write {
	if d.Bytes != nil {
		begin = beginning(d.Bytes)
		value := make([]byte, 0, timeBytes+len(d.Bytes)-len(begin))
		value = binary.BigEndian.AppendUint64(value, uint64(d.Time))
		value = append(value, d.Bytes[len(begin):]...)
		// A delta never changes, so writing it again writes the same records.
		out = diff(out, spaceDelta, generationKey(spaceDelta, id, generation), Change{
			Key: d.ID[:], New: value, HasNew: true,
		}, false)
	}
	return diff(out, spaceFate, generationKey(spaceFate, id, generation), Change{
		Key: fateForm(d.Time, d.ID), New: encodeFate(d.Fate, begin, d.Reason), HasNew: true,
	}, false)
}

func encodeFate(f Fate, begin []byte, reason string) []byte {
	if begin == nil {
		return append([]byte{byte(f)}, reason...)
	}
	b := make([]byte, 0, 1+binary.MaxVarintLen16+len(begin)+len(reason))
	b = binary.AppendUvarint(append(b, byte(f)|fateHeaded), uint64(len(begin)))
	return append(append(b, begin...), reason...)
}

// decodeFate reads a value of spaceFate; begin is nil where spaceDelta has all.
func decodeFate(b []byte) (f Fate, begin []byte, reason string, err error) {
	if len(b) == 0 {
		return 0, nil, "", broken("fate", "empty")
	}
	f, b = Fate(b[0]), b[1:]
	if f&fateHeaded == 0 {
		return f, nil, string(b), nil
	}
	length, n := binary.Uvarint(b)
	if n <= 0 || length == 0 || length > uint64(len(b)-n) {
		return 0, nil, "", broken("fate", "bad length of the header in %d bytes", len(b))
	}
	b = b[n:]
	return f &^ fateHeaded, b[:length:length], string(b[length:]), nil
}

// drop is a stored value that goes.
type drop struct {
	space space
	form  []byte
	head  head
}

// findDrops reads what there is of the deltas that the step drops.
func (p *plan) findDrops(r reader) error {
	for _, place := range p.DeltaDrop {
		for _, d := range [...]drop{
			{space: spaceDelta, form: appendForm(nil, place.ID[:])},
			{space: spaceFate, form: appendForm(nil, fateForm(place.Time, place.ID))},
		} {
			h, ok, err := r.headOf(d.space, d.form)
			if err != nil {
				return err
			}
			if ok {
				d.head = h
				p.drops = append(p.drops, d)
			}
		}
	}
	return nil
}

func (p *plan) dropWrites(out []write, generation uint32, overlay bool) []write {
	for _, d := range p.drops {
		stem := append(generationKey(d.space, p.Context.ID, generation), d.form...)
		if overlay {
			out = append(out, write{key: withPage(stem, 0), value: encodeTombstone(0)})
		} else {
			out = removal(out, d.space, stem, d.head)
		}
	}
	return out
}

// storedBeginning is what a step keeps that changes the fate of a delta only;
// ErrNotFound when there is no such delta.
func (r reader) storedBeginning(d *DeltaRecord) ([]byte, error) {
	fate, ok, err := r.get(spaceFate, fateForm(d.Time, d.ID))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("delta %s: %w: its fate is given without its bytes", d.ID, ErrNotFound)
	}
	_, begin, _, err := decodeFate(fate)
	return begin, err
}

// Delta is one delta with its fate, or ErrNotFound.
func (v *View) Delta(id delta.ID) (DeltaRecord, error) {
	d, rest, err := v.reader.rest(id)
	if err != nil {
		return DeltaRecord{}, err
	}
	fate, ok, err := v.reader.get(spaceFate, fateForm(d.Time, id))
	if err != nil {
		return DeltaRecord{}, err
	}
	if !ok {
		return DeltaRecord{}, broken("delta", "%s has no fate", id)
	}
	var begin []byte
	if d.Fate, begin, d.Reason, err = decodeFate(fate); err != nil {
		return DeltaRecord{}, err
	}
	d.Bytes = whole(begin, rest)
	return d, nil
}

// Head is Delta with less of the bytes where it can, as in Headers: a few hundred
// bytes are read instead of megabytes.
func (v *View) Head(p delta.Place) (DeltaRecord, error) {
	d := DeltaRecord{ID: p.ID, Time: p.Time}
	fate, ok, err := v.reader.get(spaceFate, fateForm(p.Time, p.ID))
	if err != nil {
		return DeltaRecord{}, err
	}
	if !ok {
		return DeltaRecord{}, fmt.Errorf("delta %s: %w", p.ID, ErrNotFound)
	}
	var begin []byte
	if d.Fate, begin, d.Reason, err = decodeFate(fate); err != nil {
		return DeltaRecord{}, err
	}
	return d, v.readHeader(&d, begin)
}

// readHeader fills in bytes that reach to the end of the header.
func (v *View) readHeader(d *DeltaRecord, begin []byte) error {
	if begin != nil {
		d.Bytes = begin
		return nil
	}
	_, rest, err := v.reader.rest(d.ID)
	d.Bytes = rest
	return err
}

// rest reads what spaceDelta has of a delta: its time and the rest of its envelope.
func (r reader) rest(id delta.ID) (DeltaRecord, []byte, error) {
	b, ok, err := r.get(spaceDelta, id[:])
	if err != nil {
		return DeltaRecord{}, nil, err
	}
	if !ok {
		return DeltaRecord{}, nil, fmt.Errorf("delta %s: %w", id, ErrNotFound)
	}
	if len(b) < timeBytes {
		return DeltaRecord{}, nil, broken("delta", "record of %d bytes", len(b))
	}
	return DeltaRecord{ID: id, Time: delta.Time(binary.BigEndian.Uint64(b))}, b[timeBytes:], nil
}

func whole(begin, rest []byte) []byte {
	if begin == nil {
		return rest
	}
	return append(append(make([]byte, 0, len(begin)+len(rest)), begin...), rest...)
}

// DeltasByTime yields deltas in canonical order (R8), of whatever fate, from a
// time on. It ends after the first error.
func (v *View) DeltasByTime(from delta.Time) iter.Seq2[DeltaRecord, error] {
	return v.fates(from, func(d *DeltaRecord, begin []byte) error {
		r, rest, err := v.reader.rest(d.ID)
		if err != nil {
			return err
		}
		if r.Time != d.Time {
			return broken("delta", "%s is of two times", d.ID)
		}
		d.Bytes = whole(begin, rest)
		return nil
	})
}

// Headers yields what DeltasByTime does with less of the bytes where it can: they
// are the envelope's beginning, and reach at least to the end of its header. For
// 100 000 deltas it takes about a tenth of the time of DeltasByTime.
func (v *View) Headers(from delta.Time) iter.Seq2[DeltaRecord, error] {
	return v.fates(from, v.readHeader)
}

// Fates yields what DeltasByTime does without the deltas' bytes.
func (v *View) Fates(from delta.Time) iter.Seq2[DeltaRecord, error] {
	return v.fates(from, func(*DeltaRecord, []byte) error { return nil })
}

// fates yields the deltas from a time on; fill adds their bytes.
func (v *View) fates(from delta.Time, fill func(d *DeltaRecord, begin []byte) error) iter.Seq2[DeltaRecord, error] {
	start := appendForm(nil, binary.BigEndian.AppendUint64(nil, uint64(from)))
	start = start[:len(start)-2] // without the end of the text: a prefix of what follows
	return func(yield func(DeltaRecord, error) bool) {
		for kv, err := range v.reader.scan(spaceFate, start) {
			var d DeltaRecord
			if err == nil {
				d, err = fateRecord(kv, fill)
			}
			if err != nil {
				yield(DeltaRecord{}, err)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

func fateRecord(kv KeyValue, fill func(d *DeltaRecord, begin []byte) error) (d DeltaRecord, err error) {
	if d.Time, d.ID, err = cutFateForm(kv.Key); err != nil {
		return d, err
	}
	var begin []byte
	if d.Fate, begin, d.Reason, err = decodeFate(kv.Value); err != nil {
		return d, err
	}
	return d, fill(&d, begin)
}
