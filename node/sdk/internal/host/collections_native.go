//go:build !wasip1

package host

import "mero/node/collections"

type (
	ref  = collections.Ref
	kind = collections.Kind
	flag = collections.Flags
)

// Open gives a handle of a collection in a map, in members, or in Root.
func Open(parent int32, key string, k, f uint8) int32 {
	return int32(must1(call().Tx.Open(ref(parent), []byte(key), kind(k), flag(f))))
}

// OpenAt gives a handle of the collection that is an element of a list.
func OpenAt(list int32, index int64, k, f uint8) int32 {
	return int32(must1(call().Tx.OpenAt(ref(list), index, kind(k), flag(f))))
}

// Len is the number of entries, elements or code points.
func Len(r int32) int64 { return must1(call().Tx.Len(ref(r))) }

// Load reads a register.
func Load(r int32) (value []byte, ok bool) {
	value, ok, err := call().Tx.Load(ref(r))
	must(err)
	return value, ok
}

// Store writes a register.
func Store(r int32, value []byte) { must(call().Tx.Store(ref(r), value)) }

// Clear empties a register.
func Clear(r int32) { must(call().Tx.Clear(ref(r))) }

// Get reads an entry of a map.
func Get(r int32, key string) (value []byte, ok bool) {
	value, ok, err := call().Tx.Get(ref(r), []byte(key))
	must(err)
	return value, ok
}

// Put writes an entry of a map.
func Put(r int32, key string, value []byte) { must(call().Tx.Put(ref(r), []byte(key), value)) }

// Remove takes an entry out of a map or set.
func Remove(r int32, key string) (was bool) {
	return must1(call().Tx.Remove(ref(r), []byte(key)))
}

// Has tells whether a map or set has an entry.
func Has(r int32, key string) bool { return must1(call().Tx.Has(ref(r), []byte(key))) }

// Add puts an element into a set.
func Add(r int32, key string) (isNew bool) { return must1(call().Tx.Add(ref(r), []byte(key))) }

// Count is a counter's value.
func Count(r int32) int64 { return must1(call().Tx.Count(ref(r))) }

// Increase adds to a counter.
func Increase(r int32, n int64) { must(call().Tx.Increase(ref(r), n)) }

// GetAt reads an element of a list.
func GetAt(r int32, index int64) (value []byte, ok bool) {
	return must1(call().Tx.At(ref(r), index)), true
}

// InsertAt puts a value into a list.
func InsertAt(r int32, index int64, value []byte) { must(call().Tx.Insert(ref(r), index, value)) }

// PutAt replaces an element of a list.
func PutAt(r int32, index int64, value []byte) { must(call().Tx.SetAt(ref(r), index, value)) }

// InsertOpen puts a collection into a list.
func InsertOpen(r int32, index int64, k, f uint8) int32 {
	return int32(must1(call().Tx.InsertOpen(ref(r), index, kind(k), flag(f))))
}

// RemoveAt takes elements out of a list.
func RemoveAt(r int32, index, n int64) { must(call().Tx.RemoveAt(ref(r), index, n)) }

// TextRemove takes code points out of a text.
func TextRemove(r int32, index, n int64) { must(call().Tx.RemoveText(ref(r), index, n)) }

// TextInsert puts text before a code point.
func TextInsert(r int32, index int64, text string) {
	must(call().Tx.InsertText(ref(r), index, text))
}

// TextSlice is n code points of a text.
func TextSlice(r int32, index, n int64) string { return must1(call().Tx.Slice(ref(r), index, n)) }

// Scan gives the entries whose keys lie between two others, neither included,
// ascending; an empty bound is none.
func Scan(r int32, after, upTo string, limit int) []Entry {
	return page(must1(call().Tx.Scan(ref(r), bound(after), bound(upTo), limit)))
}

func bound(key string) []byte {
	if key == "" {
		return nil
	}
	return []byte(key)
}

// Items gives n elements of a list.
func Items(r int32, from, n int64) []Entry { return page(must1(call().Tx.Items(ref(r), from, n))) }

func page(items []collections.Item) []Entry {
	entries := make([]Entry, len(items))
	for i, item := range items {
		entries[i] = Entry{Kind: uint8(item.Kind), Key: item.Key, Value: item.Value}
	}
	return entries
}
