package sdk

import (
	"iter"

	"mero/node/sdk/codec"
	"mero/node/sdk/internal/host"
)

// List is a sequence of values. What several insert at one place at the same
// time stays together; the order is the same everywhere. An index out of range
// ends the call.
type List[T any] struct {
	n     node
	codec codec.Codec[T]
}

// Bind is for generated code.
func (l *List[T]) Bind(p Place, c codec.Codec[T]) {
	l.n.bind(p, host.List, 0)
	l.codec = c
}

// Len is the number of elements.
func (l *List[T]) Len() int { return int(host.Len(l.n.handle())) }

// At is an element.
func (l *List[T]) At(i int) T {
	data, ok := host.GetAt(l.n.handle(), int64(i))
	if !ok {
		panic("sdk: an element of the list is not of the type that this application has for it") //nolint:forbidigo // as a failed call
	}
	return decode(l.codec, data)
}

// Append puts values at the end.
func (l *List[T]) Append(values ...T) { l.Insert(l.Len(), values...) }

// Insert puts values before the element at i.
func (l *List[T]) Insert(i int, values ...T) {
	for k, v := range values {
		host.InsertAt(l.n.handle(), int64(i+k), l.codec.Encode(v))
	}
}

// Set replaces an element.
func (l *List[T]) Set(i int, value T) {
	host.PutAt(l.n.handle(), int64(i), l.codec.Encode(value))
}

// Remove takes n elements away from i on.
func (l *List[T]) Remove(i, n int) { removeAt(&l.n, i, n) }

// All are the elements with their indices. Do not insert or remove meanwhile.
func (l *List[T]) All() iter.Seq2[int, T] { return l.Range(0, l.Len()) }

// Range are n elements from an index on.
func (l *List[T]) Range(from, n int) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		size := firstPage
		for i := from; i < from+n; size = min(2*size, mostPage) {
			page := host.Items(l.n.handle(), int64(i), int64(min(size, from+n-i)))
			for _, e := range page {
				if e.Kind == host.Value && !yield(i, decode(l.codec, e.Value)) {
					return
				}
				i++
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

func removeAt(n *node, i, count int) {
	if count != 0 {
		host.RemoveAt(n.handle(), int64(i), int64(count))
	}
}

// ListOf is a sequence of collections: T is a collection, or a struct of them.
type ListOf[T any] struct {
	n    node
	each func(*T, Place)
}

// Bind is for generated code.
func (l *ListOf[T]) Bind(p Place, each func(*T, Place)) {
	l.n.bind(p, host.List, 0)
	l.each = each
}

// Len is the number of elements.
func (l *ListOf[T]) Len() int { return int(host.Len(l.n.handle())) }

// At is an element. It stays that element when others move.
func (l *ListOf[T]) At(i int) *T { return l.element(i, false) }

// Append puts a new element at the end.
func (l *ListOf[T]) Append() *T { return l.element(l.Len(), true) }

// Insert puts a new element before the one at i.
func (l *ListOf[T]) Insert(i int) *T { return l.element(i, true) }

// Remove takes n elements away from i on, with all that is in them.
func (l *ListOf[T]) Remove(i, n int) { removeAt(&l.n, i, n) }

// All are the elements with their indices. Do not insert or remove meanwhile.
func (l *ListOf[T]) All() iter.Seq2[int, *T] {
	return func(yield func(int, *T) bool) {
		for i := range l.Len() {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

func (l *ListOf[T]) element(i int, insert bool) *T {
	t := new(T)
	l.each(t, Place{parent: &l.n, inList: true, insert: insert, index: int64(i)})
	return t
}
