package undo

import (
	"errors"
	"fmt"

	"mero/node/root"
)

// PageSize is the length of a page in bytes; the last page of a value may be
// shorter.
const PageSize = root.PageSize

// ErrMismatch says that an entry was not made from the value it is to be applied
// to, or two entries not one after the other. Only folding again helps.
var ErrMismatch = errors.New("undo entry does not fit the value")

// Entry puts one key back to what it was.
type Entry struct {
	Key []byte
	// Had is whether there was a value. Without, Length is 0 and there are no Pages.
	Had bool
	// Length of the old value in bytes.
	Length int
	// Pages of the old value that the new one lacks, ascending.
	Pages []Page
}

// Page is a page of a value: its number, from 0, and its bytes.
type Page struct {
	N    uint32
	Data []byte
}

// Diff is the entry of a change of one key from before to after. had and has tell an
// absent value from an empty one. The entry shares memory with key and before.
func Diff(key, before, after []byte, had, has bool) Entry {
	if !had {
		return Entry{Key: key}
	}
	if !has {
		after = nil
	}
	e := Entry{Key: key, Had: true, Length: len(before)}
	for n := range pages(len(before)) {
		was := page(before, n)
		if string(was) != string(page(after, n)) {
			e.Pages = append(e.Pages, Page{N: uint32(n), Data: was})
		}
	}
	return e
}

// Restore gives the value from before the change, in memory of its own. now is the
// value from after it, if has. The error is ErrMismatch if the entry cannot have been
// made from this value: a page is in neither.
func (e Entry) Restore(now []byte, has bool) (before []byte, had bool, err error) {
	if !e.Had {
		return nil, false, nil
	}
	if !has {
		now = nil
	}
	// Before memory is asked for: an entry says in a few bytes that a value was long.
	if e.Length > len(now)+len(e.Pages)*PageSize {
		return nil, false, e.mismatch(pages(e.Length) - 1)
	}
	before = append(make([]byte, 0, e.Length), now[:min(len(now), e.Length)]...)[:e.Length]
	rest := e.Pages
	for n := range pages(e.Length) {
		length := pageLength(e.Length, n)
		if len(rest) == 0 || rest[0].N != uint32(n) {
			if len(page(now, n)) != length {
				return nil, false, e.mismatch(n)
			}
			continue
		}
		if copy(before[n*PageSize:], rest[0].Data) != length || len(rest[0].Data) != length {
			return nil, false, e.mismatch(n)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return nil, false, e.mismatch(int(rest[0].N))
	}
	return before, true, nil
}

func (e *Entry) mismatch(n int) error {
	return fmt.Errorf("%w: page %d of %d bytes, key %x", ErrMismatch, n, e.Length, e.Key)
}

// mergeEntries makes one entry of those of two changes, one after the other, of one
// key. Pages of the newer one that the older value did not reach are dropped.
func mergeEntries(older, newer *Entry) (Entry, error) {
	if !older.Had || len(older.Pages) == pages(older.Length) {
		return *older, nil // all that was is in it
	}
	if n, ok := older.follows(newer); !ok {
		return Entry{}, older.mismatch(n)
	}
	merged := Entry{Key: older.Key, Had: true, Length: older.Length}
	merged.Pages = make([]Page, 0, min(len(older.Pages)+len(newer.Pages), pages(older.Length)))
	a, b := older.Pages, newer.Pages
	for len(b) > 0 && int(b[0].N) < pages(older.Length) {
		if len(a) > 0 && a[0].N <= b[0].N {
			if a[0].N == b[0].N {
				b = b[1:]
			}
			merged.Pages, a = append(merged.Pages, a[0]), a[1:]
			continue
		}
		merged.Pages, b = append(merged.Pages, b[0]), b[1:]
	}
	merged.Pages = append(merged.Pages, a...)
	return merged, nil
}

// follows reports whether newer can begin with what e ended with: there, the pages
// that e lacks were as before e, so they have the same length. If not it gives a page
// that does not. An absent value has no length here.
func (e *Entry) follows(newer *Entry) (n int, ok bool) {
	if e.Length == newer.Length {
		return 0, true
	}
	same := min(e.Length, newer.Length) / PageSize
	n = len(e.Pages) - (pages(e.Length) - same) // where the others begin in e
	return same, n == len(e.Pages) || n >= 0 && int(e.Pages[n].N) == same
}

// pages is the number of pages of a value.
func pages(length int) int {
	n := length / PageSize
	if length%PageSize != 0 {
		n++
	}
	return n
}

// pageLength is the length of the n-th page of a value, 0 if there is none.
func pageLength(length, n int) int { return max(0, min(length-n*PageSize, PageSize)) }

// page is the n-th page of a value, empty if there is none.
func page(value []byte, n int) []byte {
	from := min(n*PageSize, len(value))
	to := min(from+PageSize, len(value))
	return value[from:to:to]
}
