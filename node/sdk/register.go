package sdk

import (
	"mero/node/sdk/codec"
	"mero/node/sdk/internal/host"
)

// Value is a register: one value. Of concurrent writes the last one wins.
type Value[T any] struct {
	n     node
	codec codec.Codec[T]
}

// Bind is for generated code.
func (v *Value[T]) Bind(p Place, c codec.Codec[T]) {
	v.n.bind(p, host.Register, 0)
	v.codec = c
}

// Get is the value; false: it was never set, or was cleared.
func (v *Value[T]) Get() (value T, ok bool) { return load(&v.n, v.codec) }

// Or is the value, or another if there is none.
func (v *Value[T]) Or(other T) T {
	if value, ok := v.Get(); ok {
		return value
	}
	return other
}

// Set writes the value.
func (v *Value[T]) Set(value T) { host.Store(v.n.handle(), v.codec.Encode(value)) }

// Clear takes the value away.
func (v *Value[T]) Clear() { host.Clear(v.n.handle()) }

// Once is a register that is written once. Of two that write it without knowing
// of each other, the first in canonical order counts.
type Once[T any] struct {
	n     node
	codec codec.Codec[T]
}

// Bind is for generated code.
func (v *Once[T]) Bind(p Place, c codec.Codec[T]) {
	v.n.bind(p, host.Register, host.Once)
	v.codec = c
}

// Get is the value; false: it was not set yet.
func (v *Once[T]) Get() (value T, ok bool) { return load(&v.n, v.codec) }

// Set writes the value. It ends the call if there is one.
func (v *Once[T]) Set(value T) { host.Store(v.n.handle(), v.codec.Encode(value)) }

func load[T any](n *node, c codec.Codec[T]) (value T, ok bool) {
	data, ok := host.Load(n.handle())
	if ok {
		value = decode(c, data)
	}
	return value, ok
}

// decode reads a value of the state. One that is not of the type, since it was
// written by other code, ends the call.
func decode[T any](c codec.Codec[T], data []byte) T {
	v, err := c.Decode(data)
	if err != nil {
		panic("sdk: a value in the state is not of the type that this application has for it: " + err.Error()) //nolint:forbidigo // as a failed call
	}
	return v
}

// Counter is a number that everybody may add to at the same time.
type Counter struct{ n node }

// Bind is for generated code.
func (c *Counter) Bind(p Place) { c.n.bind(p, host.Counter, 0) }

// Value is the sum. Beyond what int64 holds it stays at the bound.
func (c *Counter) Value() int64 { return host.Count(c.n.handle()) }

// Add adds n, which may be negative.
func (c *Counter) Add(n int64) { host.Increase(c.n.handle(), n) }

// Text is text that several may edit at the same time: what each of them typed
// stays together. Positions count code points, not bytes.
type Text struct{ n node }

// Bind is for generated code.
func (t *Text) Bind(p Place) { t.n.bind(p, host.Text, 0) }

// Len is the number of code points.
func (t *Text) Len() int { return int(host.Len(t.n.handle())) }

// String is the whole text.
func (t *Text) String() string { return t.Slice(0, t.Len()) }

// Slice is n code points from a position on.
func (t *Text) Slice(from, n int) string {
	return host.TextSlice(t.n.handle(), int64(from), int64(n))
}

// Insert puts text before the code point at a position.
func (t *Text) Insert(at int, text string) {
	if text != "" {
		host.TextInsert(t.n.handle(), int64(at), text)
	}
}

// Append puts text at the end.
func (t *Text) Append(text string) { t.Insert(t.Len(), text) }

// Remove takes n code points away.
func (t *Text) Remove(at, n int) {
	if n != 0 {
		host.TextRemove(t.n.handle(), int64(at), int64(n))
	}
}
