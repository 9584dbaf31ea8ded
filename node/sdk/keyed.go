package sdk

import (
	"iter"

	"mero/node/sdk/codec"
	"mero/node/sdk/internal/host"
)

// Pages of an iteration: small at first, for those that end early.
const (
	firstPage = 16
	mostPage  = 1024
)

// scan walks the entries of a collection between two keys. What is changed
// meanwhile may or may not be seen.
func scan(n *node, after, before string, each func(host.Entry) bool) {
	for limit := firstPage; ; limit = min(2*limit, mostPage) {
		page := host.Scan(n.handle(), after, before, limit)
		for _, e := range page {
			if !each(e) {
				return
			}
		}
		if len(page) == 0 {
			return
		}
		after = string(page[len(page)-1].Key)
	}
}

func keys(n *node, after, before string) iter.Seq[string] {
	return func(yield func(string) bool) {
		scan(n, after, before, func(e host.Entry) bool { return yield(string(e.Key)) })
	}
}

// Map is a map from text to values, in the order of keys. Of concurrent writes to
// one key the last one wins; a removal takes only what its author had seen.
type Map[T any] struct {
	n     node
	codec codec.Codec[T]
}

// Bind is for generated code.
func (m *Map[T]) Bind(p Place, c codec.Codec[T]) {
	m.n.bind(p, host.Map, 0)
	m.codec = c
}

// Len is the number of entries.
func (m *Map[T]) Len() int { return int(host.Len(m.n.handle())) }

// Has tells whether there is an entry.
func (m *Map[T]) Has(key string) bool { return host.Has(m.n.handle(), key) }

// Get is the value of a key.
func (m *Map[T]) Get(key string) (value T, ok bool) { return lookup(&m.n, m.codec, key) }

// Put writes the value of a key, of 1 to 480 bytes.
func (m *Map[T]) Put(key string, value T) { host.Put(m.n.handle(), key, m.codec.Encode(value)) }

// Remove takes an entry away, if there is one.
func (m *Map[T]) Remove(key string) (was bool) { return host.Remove(m.n.handle(), key) }

// All are the entries, keys ascending.
func (m *Map[T]) All() iter.Seq2[string, T] { return m.Range("", "") }

// Range are the entries behind one key and before another, keys ascending; an
// empty bound is none. Leave the loop when you have enough: what follows is not
// read.
func (m *Map[T]) Range(after, before string) iter.Seq2[string, T] {
	return values(&m.n, m.codec, after, before)
}

// Keys are the keys, ascending.
func (m *Map[T]) Keys() iter.Seq[string] { return keys(&m.n, "", "") }

func lookup[T any](n *node, c codec.Codec[T], key string) (value T, ok bool) {
	data, ok := host.Get(n.handle(), key)
	if ok {
		value = decode(c, data)
	}
	return value, ok
}

func values[T any](n *node, c codec.Codec[T], after, before string) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		scan(n, after, before, func(e host.Entry) bool {
			// Another version of the application may have put collections there.
			return e.Kind != host.Value || yield(string(e.Key), decode(c, e.Value))
		})
	}
}

// OnceMap is a map whose entries are written once and stay: a log, a ledger.
type OnceMap[T any] struct {
	n     node
	codec codec.Codec[T]
}

// Bind is for generated code.
func (m *OnceMap[T]) Bind(p Place, c codec.Codec[T]) {
	m.n.bind(p, host.Map, host.Once)
	m.codec = c
}

// Len is the number of entries.
func (m *OnceMap[T]) Len() int { return int(host.Len(m.n.handle())) }

// Has tells whether there is an entry.
func (m *OnceMap[T]) Has(key string) bool { return host.Has(m.n.handle(), key) }

// Get is the value of a key.
func (m *OnceMap[T]) Get(key string) (value T, ok bool) { return lookup(&m.n, m.codec, key) }

// Put writes an entry. It ends the call if there is one.
func (m *OnceMap[T]) Put(key string, value T) { host.Put(m.n.handle(), key, m.codec.Encode(value)) }

// All are the entries, keys ascending.
func (m *OnceMap[T]) All() iter.Seq2[string, T] { return m.Range("", "") }

// Range is as of Map.
func (m *OnceMap[T]) Range(after, before string) iter.Seq2[string, T] {
	return values(&m.n, m.codec, after, before)
}

// Set is a set of texts of 1 to 480 bytes. What is added by one and removed by
// another at the same time stays.
type Set struct{ n node }

// Bind is for generated code.
func (s *Set) Bind(p Place) { s.n.bind(p, host.Set, 0) }

// Len is the number of elements.
func (s *Set) Len() int { return int(host.Len(s.n.handle())) }

// Has tells whether an element is in the set.
func (s *Set) Has(element string) bool { return host.Has(s.n.handle(), element) }

// Add puts an element in.
func (s *Set) Add(element string) (isNew bool) { return host.Add(s.n.handle(), element) }

// Remove takes an element out.
func (s *Set) Remove(element string) (was bool) { return host.Remove(s.n.handle(), element) }

// All are the elements, ascending.
func (s *Set) All() iter.Seq[string] { return keys(&s.n, "", "") }

// Range are the elements behind one and before another; an empty bound is none.
func (s *Set) Range(after, before string) iter.Seq[string] { return keys(&s.n, after, before) }

// MapOf is a map from text to collections: T is a collection, or a struct of
// them.
type MapOf[T any] struct {
	n    node
	each func(*T, Place)
}

// Bind is for generated code.
func (m *MapOf[T]) Bind(p Place, each func(*T, Place)) {
	m.n.bind(p, host.Map, 0)
	m.each = each
}

// Len is the number of entries.
func (m *MapOf[T]) Len() int { return int(host.Len(m.n.handle())) }

// Has tells whether there is an entry.
func (m *MapOf[T]) Has(key string) bool { return host.Has(m.n.handle(), key) }

// At is what is under a key. It comes to be with the first write in it.
func (m *MapOf[T]) At(key string) *T { return child(&m.n, key, m.each) }

// Remove takes an entry away with all that is in it, also what others write
// there at the same time.
func (m *MapOf[T]) Remove(key string) (was bool) { return host.Remove(m.n.handle(), key) }

// Keys are the keys, ascending.
func (m *MapOf[T]) Keys() iter.Seq[string] { return keys(&m.n, "", "") }

// Range are the keys behind one and before another; an empty bound is none.
func (m *MapOf[T]) Range(after, before string) iter.Seq[string] { return keys(&m.n, after, before) }

// All are the entries, keys ascending.
func (m *MapOf[T]) All() iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		for key := range m.Keys() {
			if !yield(key, m.At(key)) {
				return
			}
		}
	}
}

func child[T any](n *node, key string, bind func(*T, Place)) *T {
	t := new(T)
	bind(t, Place{parent: n, key: key})
	return t
}

// Members has one T for each member, in which that member alone may write: T is
// a collection, or a struct of them.
type Members[T any] struct {
	n    node
	each func(*T, Place)
}

// Bind is for generated code.
func (m *Members[T]) Bind(p Place, each func(*T, Place)) {
	m.n.bind(p, host.Members, 0)
	m.each = each
}

// Len is the number of those who have written.
func (m *Members[T]) Len() int { return int(host.Len(m.n.handle())) }

// Mine is that of the member whose call this is.
func (m *Members[T]) Mine() *T { return m.Of(Executor()) }

// Of is that of a member. Writing in another's ends the call.
func (m *Members[T]) Of(member ID) *T { return child(&m.n, string(member[:]), m.each) }

// All are those of everybody who has written.
func (m *Members[T]) All() iter.Seq2[ID, *T] {
	return func(yield func(ID, *T) bool) {
		for key := range keys(&m.n, "", "") {
			var id ID
			copy(id[:], key)
			if !yield(id, m.Of(id)) {
				return
			}
		}
	}
}
