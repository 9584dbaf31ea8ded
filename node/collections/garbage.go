package collections

import "encoding/binary"

// Removing a collection takes away one row, after which nothing finds what was in it. The other
// rows go later: each delta takes a few away. So removing costs the same whatever was there, and
// no delta is void because others filled what its author removed.

// How much of what was removed a delta takes away, at most.
const (
	sweepRows  = 256
	sweepBytes = 256 << 10
	sweepBatch = 32
)

// discard remembers that the rows of a removed collection are to go.
func (e *engine) discard(id objectID) error {
	e.epoch++
	if err := e.rows.put(id.garbage(), nil); err != nil {
		return err
	}
	return e.count(objectID{}, 0, 1)
}

func (e *engine) isGarbage(id objectID) (bool, error) {
	_, ok, err := e.rows.get(id.garbage())
	return ok, err
}

// finish takes some garbage away and gives all that changed.
func (e *engine) finish() ([]Write, error) {
	c, err := e.counts(objectID{})
	if err != nil {
		return nil, err
	}
	rows, bytes := sweepRows, sweepBytes
	for c.garbage > 0 && rows > 0 && bytes > 0 {
		first, err := e.rows.scan(objectID{}.key(tagGarbage, 0), nil, 1)
		if err != nil {
			return nil, err
		}
		if len(first) == 0 {
			break // damage: what is counted is not there
		}
		dead := objectID(first[0].Key[len(objectID{})+1:])
		done, err := e.sweep(dead, &rows, &bytes)
		if err != nil {
			return nil, err
		}
		if !done {
			break
		}
		if err := e.rows.remove(first[0].Key); err != nil {
			return nil, err
		}
		if err := e.count(objectID{}, 0, -1); err != nil {
			return nil, err
		}
		rows--
		if c, err = e.counts(objectID{}); err != nil {
			return nil, err
		}
	}
	return e.rows.writes(), nil
}

// sweep takes rows of a removed collection away, and tells whether that were all. Collections in
// it become garbage of their own.
func (e *engine) sweep(dead objectID, rows, bytes *int) (done bool, err error) {
	var after []byte
	for *rows > 0 && *bytes > 0 {
		limit := min(sweepBatch, *rows)
		found, err := e.rows.scan(dead[:], after, limit)
		if err != nil {
			return false, err
		}
		for _, f := range found {
			if *bytes <= 0 {
				return false, nil
			}
			if err := e.sweepRow(dead, f); err != nil {
				return false, err
			}
			*rows--
			*bytes -= len(f.Value)
			after = f.Key
		}
		if len(found) < limit {
			return true, nil
		}
	}
	return false, nil
}

func (e *engine) sweepRow(dead objectID, f Entry) error {
	suffix := f.Key[len(dead)+1:]
	var at step
	switch f.Key[len(dead)] {
	case tagEntry:
		at = keyStep(suffix)
	case tagElement:
		at = elementStep(element{run: stampOf(suffix), off: binary.BigEndian.Uint32(suffix[stampSize:])})
	default:
		return e.rows.remove(f.Key)
	}
	was, err := decodeEntry(f.Value)
	if err != nil {
		return err
	}
	if was.kind != Value {
		if err := e.discard(childID(dead, at, was.stamp)); err != nil {
			return err
		}
	}
	return e.rows.remove(f.Key)
}
