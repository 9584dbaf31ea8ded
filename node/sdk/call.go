package sdk

import (
	"time"

	"mero/node/sdk/codec"
	"mero/node/sdk/internal/host"
)

// Now is the time of the call, in UTC. It grows from one reading to the next and
// from one call of a context to the next that knows of it, whatever clocks say.
func Now() time.Time { return time.Unix(0, int64(host.Now())).UTC() }

// Random is n random bytes.
func Random(n int) []byte {
	data := make([]byte, n)
	if n > 0 {
		host.Random(data)
	}
	return data
}

// NewKey is a key that nothing else has: 13 characters of the time, then 11 at
// random, so that keys sort by when they were made.
func NewKey() string {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	key := make([]byte, 24)
	now := host.Now()
	for i := 12; i >= 0; i-- {
		key[i] = digits[now&31]
		now >>= 5
	}
	host.Random(key[13:])
	for i := 13; i < len(key); i++ {
		key[i] = digits[key[i]&31]
	}
	return string(key)
}

// Log adds a line to the node's log.
func Log(line string) { host.Log(line) }

// Emit sends an event to those who watch the context; data is JSON. An Event in
// the state struct is typed and can have a handler.
func Emit(kind string, data []byte) { host.Emit(kind, data, "") }

// Event is a kind of event, declared as a field of the state struct: it is named
// as the field is. If the application has a method On… of that name with the
// directive //mero:handler, the other members' nodes run it, once each, with the
// event's data.
type Event[T any] struct {
	name, handler string
	codec         codec.Codec[T]
}

// Bind is for generated code; handler may be empty.
func (e *Event[T]) Bind(name, handler string, c codec.Codec[T]) {
	*e = Event[T]{name, handler, c}
}

// Emit sends an event.
func (e *Event[T]) Emit(data T) {
	if e.name == "" {
		panic(unbound) //nolint:forbidigo // a mistake in the application, in the words that its author sees
	}
	host.Emit(e.name, e.codec.Encode(data), e.handler)
}

// Private is a map from text to values that stay on this node: drafts, secrets.
// It is declared as a field of the state struct, and kept when the call changes
// the state, too.
type Private[T any] struct {
	prefix string
	codec  codec.Codec[T]
}

// Bind is for generated code.
func (p *Private[T]) Bind(name string, c codec.Codec[T]) { *p = Private[T]{name + "/", c} }

// Get is the value of a key.
func (p *Private[T]) Get(key string) (value T, ok bool) {
	data, ok := host.PrivateGet(p.key(key))
	if ok {
		value = decode(p.codec, data)
	}
	return value, ok
}

// Put writes the value of a key.
func (p *Private[T]) Put(key string, value T) {
	host.PrivatePut(p.key(key), p.codec.Encode(value))
}

// Remove takes a value away.
func (p *Private[T]) Remove(key string) (was bool) { return host.PrivateRemove(p.key(key)) }

func (p *Private[T]) key(key string) []byte {
	if p.prefix == "" {
		panic(unbound) //nolint:forbidigo // a mistake in the application, in the words that its author sees
	}
	return append([]byte(p.prefix), key...)
}

// Call queues a call of a method of another context on this node. It runs after
// this call, if that ends well, as the same member; its result is not seen here.
func Call(context ID, method string, args Args) { host.XCall(context, method, args.JSON()) }
