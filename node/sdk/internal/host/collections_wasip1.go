package host

import "unsafe"

//go:wasmimport mero open
func meroOpen(parent int32, key unsafe.Pointer, size, kind, flags int32) int32

//go:wasmimport mero open_at
func meroOpenAt(list int32, index int64, kind, flags int32) int32

//go:wasmimport mero len
func meroLen(ref int32) int64

//go:wasmimport mero take
func meroTake(dest unsafe.Pointer)

//go:wasmimport mero get
func meroGet(ref int32, key unsafe.Pointer, size int32) int64

//go:wasmimport mero put
func meroPut(ref int32, key unsafe.Pointer, size int32, value unsafe.Pointer, valueSize int32)

//go:wasmimport mero remove
func meroRemove(ref int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero has
func meroHas(ref int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero add
func meroAdd(ref int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero count
func meroCount(ref int32) int64

//go:wasmimport mero increase
func meroIncrease(ref int32, n int64)

//go:wasmimport mero get_at
func meroGetAt(ref int32, index int64) int64

//go:wasmimport mero insert_at
func meroInsertAt(ref int32, index int64, value unsafe.Pointer, size int32)

//go:wasmimport mero put_at
func meroPutAt(ref int32, index int64, value unsafe.Pointer, size int32)

//go:wasmimport mero insert_open
func meroInsertOpen(ref int32, index int64, kind, flags int32) int32

//go:wasmimport mero remove_at
func meroRemoveAt(ref int32, index, n int64)

//go:wasmimport mero text_insert
func meroTextInsert(ref int32, at int64, text unsafe.Pointer, size int32)

//go:wasmimport mero text_slice
func meroTextSlice(ref int32, at, n int64) int64

//go:wasmimport mero scan
func meroScan(ref int32, after unsafe.Pointer, afterSize int32, upTo unsafe.Pointer, upToSize, limit int32) int64

//go:wasmimport mero items
func meroItems(ref int32, from, n int64) int64

// at is where bytes lie. The host reads them before it returns, and nothing of
// the guest runs meanwhile, so they may be on the stack.
func at(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func atText(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

func size[T ~string | ~[]byte](v T) int32 { return int32(len(v)) }

// result copies the host's last result; n is what its function returned.
func result(n int64) (data []byte, ok bool) {
	if n < 0 {
		return nil, false
	}
	if n == 0 {
		return []byte{}, true
	}
	data = make([]byte, n)
	meroTake(at(data))
	return data, true
}

// Open gives a handle of a collection in a map, in members, or in Root.
func Open(parent int32, key string, kind, flags uint8) int32 {
	return meroOpen(parent, atText(key), size(key), int32(kind), int32(flags))
}

// OpenAt gives a handle of the collection that is an element of a list.
func OpenAt(list int32, index int64, kind, flags uint8) int32 {
	return meroOpenAt(list, index, int32(kind), int32(flags))
}

// Len is the number of entries, elements or code points.
func Len(ref int32) int64 { return meroLen(ref) }

// Load reads a register: get with an empty key.
func Load(ref int32) (value []byte, ok bool) { return Get(ref, "") }

// Store writes a register.
func Store(ref int32, value []byte) { Put(ref, "", value) }

// Clear empties a register.
func Clear(ref int32) { Remove(ref, "") }

// Get reads an entry of a map.
func Get(ref int32, key string) (value []byte, ok bool) {
	return result(meroGet(ref, atText(key), size(key)))
}

// Put writes an entry of a map.
func Put(ref int32, key string, value []byte) {
	meroPut(ref, atText(key), size(key), at(value), size(value))
}

// Remove takes an entry out of a map or set.
func Remove(ref int32, key string) (was bool) { return meroRemove(ref, atText(key), size(key)) == 1 }

// Has tells whether a map or set has an entry.
func Has(ref int32, key string) bool { return meroHas(ref, atText(key), size(key)) == 1 }

// Add puts an element into a set.
func Add(ref int32, key string) (isNew bool) { return meroAdd(ref, atText(key), size(key)) == 1 }

// Count is a counter's value.
func Count(ref int32) int64 { return meroCount(ref) }

// Increase adds to a counter.
func Increase(ref int32, n int64) { meroIncrease(ref, n) }

// GetAt reads an element of a list.
func GetAt(ref int32, index int64) (value []byte, ok bool) { return result(meroGetAt(ref, index)) }

// InsertAt puts a value into a list.
func InsertAt(ref int32, index int64, value []byte) {
	meroInsertAt(ref, index, at(value), size(value))
}

// PutAt replaces an element of a list.
func PutAt(ref int32, index int64, value []byte) { meroPutAt(ref, index, at(value), size(value)) }

// InsertOpen puts a collection into a list.
func InsertOpen(ref int32, index int64, kind, flags uint8) int32 {
	return meroInsertOpen(ref, index, int32(kind), int32(flags))
}

// RemoveAt takes elements out of a list.
func RemoveAt(ref int32, index, n int64) { meroRemoveAt(ref, index, n) }

// TextRemove takes code points out of a text.
func TextRemove(ref int32, index, n int64) { meroRemoveAt(ref, index, n) }

// TextInsert puts text before a code point.
func TextInsert(ref int32, index int64, text string) {
	meroTextInsert(ref, index, atText(text), size(text))
}

// TextSlice is n code points of a text.
func TextSlice(ref int32, index, n int64) string {
	data, _ := result(meroTextSlice(ref, index, n))
	return unsafe.String(unsafe.SliceData(data), len(data))
}

// Scan gives the entries whose keys lie between two others, neither included,
// ascending; an empty bound is none.
func Scan(ref int32, after, upTo string, limit int) []Entry {
	data, _ := result(meroScan(ref, atText(after), size(after), atText(upTo), size(upTo), int32(limit)))
	return page(data)
}

// Items gives n elements of a list.
func Items(ref int32, from, n int64) []Entry {
	data, _ := result(meroItems(ref, from, n))
	return page(data)
}

// page cuts { u8 kind, u32 size, key, u32 size, value }*.
func page(data []byte) []Entry {
	var entries []Entry
	for len(data) > 0 {
		e := Entry{Kind: data[0]}
		e.Key, data = cut(data[1:])
		e.Value, data = cut(data)
		entries = append(entries, e)
	}
	return entries
}

func cut(data []byte) (field, rest []byte) {
	n := int(data[0]) | int(data[1])<<8 | int(data[2])<<16 | int(data[3])<<24
	return data[4 : 4+n : 4+n], data[4+n:]
}
