// Package jsonany reads and writes by encoding/json the types that generated code
// has no functions for: those of other packages, interfaces, and types with
// methods of their own for JSON. It makes a guest half again as large.
package jsonany

import (
	"encoding/json"

	"mero/node/sdk/codec"
)

// Append writes *p. What encoding/json cannot write ends the call.
func Append[T any](dst []byte, p *T) []byte {
	data, err := json.Marshal(p)
	if err != nil {
		panic("sdk: " + err.Error()) //nolint:forbidigo // as a failed call
	}
	return append(dst, data...)
}

// Read reads into *p.
func Read[T any](r *codec.Reader, p *T) {
	var raw []byte
	codec.ReadRaw(r, &raw)
	if r.Err() != nil {
		return
	}
	if err := json.Unmarshal(raw, p); err != nil {
		r.Fail(err)
	}
}

// Codec is both.
func Codec[T any]() codec.Codec[T] { return codec.Codec[T]{Append: Append[T], Read: Read[T]} }
