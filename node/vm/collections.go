package vm

// Collections is the replicated state of a context as host-managed collections,
// as one call sees and changes it. Handles are those of Open and its kind; 0 is
// the root. Kinds and flags are numbers that are nothing to this package.
//
// Slices that are handed over are the implementation's; those that it gives stay
// as they are until Run returns. An error that is an *Error ends the call with it:
// KindMisuse for whatever the guest did wrong. Any other is this node's fault.
type Collections interface {
	CollectionHandles
	CollectionEntries
	CollectionValues
	CollectionLists
	CollectionTexts
	// Work counts what has been done so far, in units of a row read or written or
	// 64 bytes of one: the same on every replica. The guest pays for it.
	Work() uint64
}

// CollectionHandles opens collections.
type CollectionHandles interface {
	// Open opens what is at a key of the root or of a map, or, where the key is
	// that of a member, of a collection by member.
	Open(parent int32, key []byte, kind, flags uint8) (ref int32, err error)
	// OpenAt opens what is in a list.
	OpenAt(list int32, index int64, kind, flags uint8) (ref int32, err error)
	// InsertOpen inserts a collection into a list.
	InsertOpen(list int32, index int64, kind, flags uint8) (ref int32, err error)
	KindOf(parent int32, key []byte) (kind uint8, err error)
	KindAt(list int32, index int64) (kind uint8, err error)
	// Len is the number of entries, elements or code points.
	Len(ref int32) (int64, error)
}

// CollectionEntries reads and changes maps and sets; keys are not empty.
type CollectionEntries interface {
	Get(ref int32, key []byte) (value []byte, ok bool, err error)
	Put(ref int32, key, value []byte) error
	Remove(ref int32, key []byte) (was bool, err error)
	Has(ref int32, key []byte) (bool, error)
	Add(ref int32, key []byte) (isNew bool, err error)
	// Scan gives entries between two keys (nil: open), ascending: at most limit,
	// and at most 4 MiB if there is more than one. Only an empty answer says that
	// there is no more.
	Scan(ref int32, after, upTo []byte, limit int) ([]CollectionItem, error)
}

// CollectionValues reads and changes registers and counters.
type CollectionValues interface {
	Load(ref int32) (value []byte, ok bool, err error)
	Store(ref int32, value []byte) error
	Clear(ref int32) error
	Count(ref int32) (int64, error)
	Increase(ref int32, n int64) error
}

// CollectionLists reads and changes lists.
type CollectionLists interface {
	At(list int32, index int64) (value []byte, err error)
	Insert(list int32, index int64, value []byte) error
	SetAt(list int32, index int64, value []byte) error
	// RemoveAt removes n elements of a list or code points of a text.
	RemoveAt(ref int32, index, n int64) error
	// Items gives n elements from an index on, bounded like Scan.
	Items(list int32, from, n int64) ([]CollectionItem, error)
}

// CollectionTexts reads and changes texts. Indices are code points.
type CollectionTexts interface {
	// Slice gives n code points.
	Slice(text int32, from, n int64) (string, error)
	InsertText(text int32, at int64, s string) error
}

// CollectionItem is an entry or element. Key is nil in a list, Value in a set and
// where there is a collection.
type CollectionItem struct {
	Kind       uint8
	Key, Value []byte
}
