package state

import (
	"bytes"
	"errors"
	"slices"
)

// Store is where the map lies: the host's storage, or a Go map in a test.
type Store interface {
	Read(key []byte) (value []byte, ok bool)
	Write(key, value []byte)
}

// Storage keys. Entries have one each, so that a write costs the same however
// many there are. The host cannot list keys, so the keys of the map are listed
// in buckets, of which a new key rewrites one.
const (
	summaryKey   = "m"
	bucketPrefix = "b" // and one byte
	entryPrefix  = "e" // and the key
	buckets      = 256
)

// Map is the map in a store.
type Map struct{ store Store }

// Open returns the map in store. Until Init was applied it is empty and
// Initialised is false.
func Open(store Store) Map { return Map{store: store} }

// summary is what is known of all entries together.
type summary struct {
	live uint64 // entries that are not tombstones
	sum  digest // of all entries
}

func (m Map) summary() summary {
	var s summary
	if data, ok := m.store.Read([]byte(summaryKey)); ok {
		s.live = number(data[:8])
		for i := range s.sum {
			s.sum[i] = number(data[8+8*i : 16+8*i])
		}
	}
	return s
}

func (m Map) setSummary(s summary) {
	data := appendUint64(nil, s.live)
	for _, lane := range s.sum {
		data = appendUint64(data, lane)
	}
	m.store.Write([]byte(summaryKey), data)
}

// Initialised tells whether Init, or any other operation, was applied.
func (m Map) Initialised() bool {
	_, ok := m.store.Read([]byte(summaryKey))
	return ok
}

// Len is how many keys have a value.
func (m Map) Len() uint64 { return m.summary().live }

// Root names the content: equal for equal maps, tombstones included. It is a
// help for people, and no proof of anything; the host computes its own.
func (m Map) Root() (root [32]byte) {
	sum := m.summary().sum
	for i, lane := range sum {
		appendUint64(root[:8*i], lane+1) // not all zero, which would mean "no state" to old hosts
	}
	return root
}

// Get returns the value of key.
func (m Map) Get(key string) (value string, ok bool) {
	r, ok := m.record(key)
	if !ok || r.removed {
		return "", false
	}
	return string(r.value), true
}

// Known returns the time of the operation that key has from, tombstones
// included.
func (m Map) Known(key string) (time uint64, removed, ok bool) {
	r, ok := m.record(key)
	return r.time, r.removed, ok
}

// Keys lists the keys that have a value, in ascending order.
func (m Map) Keys() []string {
	var live []string
	for b := range buckets {
		for _, key := range m.bucket(byte(b)) {
			if r, _ := m.record(key); !r.removed {
				live = append(live, key)
			}
		}
	}
	slices.Sort(live)
	return live
}

// Apply merges one operation: it takes effect when nothing later was applied
// to its key.
func (m Map) Apply(op Op) {
	s := m.summary()
	if op.Kind == Init {
		m.setSummary(s)
		return
	}
	next := record{time: op.Time, author: op.Author, removed: op.Kind == Remove, value: []byte(op.Value)}
	old, had := m.record(op.Key)
	if had && !next.after(old) {
		return
	}
	if had {
		s.remove(op.Key, old)
	} else {
		m.list(op.Key)
	}
	s.add(op.Key, next)
	m.store.Write(entryKey(op.Key), next.encode())
	m.setSummary(s)
}

func (s *summary) add(key string, r record) {
	if !r.removed {
		s.live++
	}
	s.mix(key, r)
}

func (s *summary) remove(key string, r record) {
	if !r.removed {
		s.live--
	}
	s.mix(key, r)
}

func (s *summary) mix(key string, r record) {
	entry := hash(append(appendText(nil, key), r.encode()...))
	for i, lane := range entry {
		s.sum[i] ^= lane
	}
}

// digest is a hash of 256 bits that is enough to tell maps apart that differ
// by accident: FNV-1a in four lanes, xored over the entries, so that their
// order does not matter. SHA-256 would add half a megabyte to the guest.
type digest [4]uint64

func hash(data []byte) (d digest) {
	for i := range d {
		h := uint64(14695981039346656037) + uint64(i)<<32
		for _, b := range data {
			h = (h ^ uint64(b)) * 1099511628211
		}
		h = (h ^ h>>32) * 0x9E3779B97F4A7C15 // FNV's upper bits know little of the last bytes
		d[i] = h ^ h>>29
	}
	return d
}

// record is an entry as it is stored: time, author, one byte, value.
type record struct {
	time    uint64
	author  [32]byte
	removed bool
	value   []byte
}

// valueAt is where the value begins in a stored record.
const valueAt = 8 + 32 + 1

func (r record) encode() []byte {
	out := make([]byte, 0, valueAt+len(r.value))
	out = appendUint64(out, r.time)
	out = append(out, r.author[:]...)
	if r.removed {
		return append(out, 1)
	}
	return append(append(out, 0), r.value...)
}

// after is the order in which operations on one key win: time, then author. An
// author gives no time twice; should one all the same, a removal wins, then
// the greater value, so that every replica decides alike.
func (r record) after(old record) bool {
	switch {
	case r.time != old.time:
		return r.time > old.time
	case r.author != old.author:
		return bytes.Compare(r.author[:], old.author[:]) > 0
	case r.removed != old.removed:
		return r.removed
	default:
		return bytes.Compare(r.value, old.value) > 0
	}
}

func entryKey(key string) []byte { return append([]byte(entryPrefix), key...) }

func (m Map) record(key string) (record, bool) {
	data, ok := m.store.Read(entryKey(key))
	if !ok {
		return record{}, false
	}
	r := record{time: number(data[:8]), removed: data[valueAt-1] == 1, value: data[valueAt:]}
	copy(r.author[:], data[8:])
	return r, true
}

// bucketOf spreads keys evenly (FNV-1a).
func bucketOf(key string) byte {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return byte(h ^ h>>8 ^ h>>16 ^ h>>24)
}

// bucket lists the keys of one bucket in ascending order.
func (m Map) bucket(b byte) []string {
	data, ok := m.store.Read([]byte{bucketPrefix[0], b})
	if !ok {
		return nil
	}
	var keys []string
	for r := (reader{data: data}); len(r.data) > 0; {
		keys = append(keys, r.text())
	}
	return keys
}

// list adds a key that is new to its bucket.
func (m Map) list(key string) {
	b := bucketOf(key)
	keys := m.bucket(b)
	at, _ := slices.BinarySearch(keys, key)
	var data []byte
	for _, k := range slices.Insert(keys, at, key) {
		data = appendText(data, k)
	}
	m.store.Write([]byte{bucketPrefix[0], b}, data)
}

// ErrFuture refuses an operation that claims to be later than the delta that
// carries it: its key would be out of reach for everyone until that time.
var ErrFuture = errors.New("kv: an operation is later than its delta")

// callSpan is how far the times that one call sees reach past the time it
// began (R2).
const callSpan = 65_535

// Merge applies the operations of another member's artifact, all or none. Now
// is the time of the delta that carries it.
func (m Map) Merge(artifact []byte, now uint64) error {
	ops, err := Decode(artifact)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.Time > now && op.Time-now > callSpan {
			return ErrFuture
		}
	}
	for _, op := range ops {
		m.Apply(op)
	}
	return nil
}
