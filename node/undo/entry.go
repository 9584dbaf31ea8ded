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
	before = make([]byte, 0, e.Length)
	rest := e.Pages
	for n := range pages(e.Length) {
		data := page(now, n)
		if len(rest) > 0 && rest[0].N == uint32(n) {
			data, rest = rest[0].Data, rest[1:]
		}
		if len(data) != pageLength(e.Length, n) {
			return nil, false, e.mismatch(n)
		}
		before = append(before, data...)
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
	merged := Entry{Key: older.Key, Had: true, Length: older.Length}
	merged.Pages = make([]Page, 0, min(len(older.Pages)+len(newer.Pages), pages(older.Length)))
	a, b := older.Pages, newer.Pages
	for n := range pages(older.Length) {
		for len(b) > 0 && b[0].N < uint32(n) {
			b = b[1:]
		}
		switch {
		case len(a) > 0 && a[0].N == uint32(n):
			merged.Pages = append(merged.Pages, a[0])
			a = a[1:]
		// The value in between had this page as the older one had it.
		case !newer.Had || pageLength(newer.Length, n) != pageLength(older.Length, n):
			return Entry{}, older.mismatch(n)
		case len(b) > 0 && b[0].N == uint32(n):
			merged.Pages = append(merged.Pages, b[0])
		}
	}
	return merged, nil
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
