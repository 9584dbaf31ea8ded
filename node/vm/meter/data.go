package meter

import (
	"cmp"
	"slices"
)

// Go's linker leaves out every eight zeros of its data, and so writes tens of
// thousands of segments, of 24 bytes on average. wazero evaluates an offset and
// makes a copy for each, once an instance: two thirds of a short call.
const (
	// mergeGap is how many zeros at most join two segments, exclusive: 48 already
	// leave ten segments of a Go guest.
	mergeGap = 64
	// maxMergeGrowth bounds by how many bytes the section may grow (give or take
	// a segment's header), as does half its size: Go guests take a third. wazero
	// holds it as long as the module.
	maxMergeGrowth = 2 << 20
)

// mergeData gives the content of a data section anew with neighbouring segments
// joined, the gaps filled with zeros, or content itself. It does so only where
// no guest can tell: the memory is the module's own, which starts as zeros; all
// segments are active and inside the memory's minimum, so that none traps; what
// comes out is apart, gaps included, so that no byte is written twice, and the
// order is of no matter (Go's linker does not quite sort); and without a data
// count section (see segment) no instruction names one. content is a valid
// section.
func (m *scan) mergeData(content []byte) []byte {
	if m.dataCount >= 0 {
		return content
	}
	limit := len(content) + min(len(content)/2, maxMergeGrowth)
	r := &reader{data: content}
	n := r.count(2)
	out := dataMerger{body: make([]byte, 0, len(content))}
	for range n {
		at, data := readActive(r)
		if r.err != nil || at+uint64(len(data)) > m.memorySize {
			return content
		}
		out.add(at, data)
		if len(out.body)+len(out.run) > limit {
			return content
		}
	}
	out.flush()
	merged := append(appendU32(nil, uint32(len(out.spans))), out.body...)
	if len(out.spans) == n || !apart(out.spans) {
		return content
	}
	return merged
}

// readActive reads an active segment whose offset is a number; any other is an
// error.
func readActive(r *reader) (at uint64, data []byte) {
	switch form := r.u32(); form {
	case 0:
	case 2:
		r.index(1, "memory")
	default:
		r.fail("data form %d is not active", form)
	}
	if op := r.byte(); op != 0x41 {
		r.fail("the offset %#x is no i32.const", op)
	}
	at = uint64(uint32(r.signed(32)))
	if end := r.byte(); end != 0x0b {
		r.fail("initialiser of more than one instruction")
	}
	return at, r.take(r.u32())
}

// span is a range of addresses, the end exclusive.
type span struct{ start, end uint32 }

// apart reports whether no address is in two spans. It sorts them.
func apart(spans []span) bool {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
	for i := 1; i < len(spans); i++ {
		if spans[i].start < spans[i-1].end {
			return false
		}
	}
	return true
}

// dataMerger writes segments, each when the next is known not to join it. All
// of them lie within MaxMemoryPages.
type dataMerger struct {
	body  []byte // the segments that are complete
	spans []span // those that have begun
	run   []byte // content of the last one
}

func (d *dataMerger) add(at uint64, data []byte) {
	if gap, ok := d.gap(at); ok {
		var zeros [mergeGap]byte
		d.run = append(d.run, zeros[:gap]...)
	} else {
		d.flush()
		d.spans = append(d.spans, span{start: uint32(at)})
	}
	d.run = append(d.run, data...)
	d.spans[len(d.spans)-1].end = uint32(at) + uint32(len(data))
}

// gap gives the distance from the end of the last segment to an address, if
// that joins it.
func (d *dataMerger) gap(at uint64) (uint64, bool) {
	if len(d.spans) == 0 {
		return 0, false
	}
	end := uint64(d.spans[len(d.spans)-1].end)
	return at - end, at >= end && at-end < mergeGap
}

// flush completes the last segment.
func (d *dataMerger) flush() {
	if len(d.spans) == 0 {
		return
	}
	d.body = append(d.body, 0, 0x41)
	d.body = append(appendSigned(d.body, int64(d.spans[len(d.spans)-1].start)), 0x0b)
	d.body = appendU32(d.body, uint32(len(d.run)))
	d.body = append(d.body, d.run...)
	d.run = d.run[:0]
}
