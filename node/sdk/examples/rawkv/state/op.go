package state

import (
	"bytes"
	"errors"
)

// magic begins an artifact. It is none of the tags that begin a Calimero
// artifact (wasm-abi 6.2), so that a host never takes one for the other.
const magic = "kv1"

// Kind says what an operation does. The values are part of the artifact.
type Kind byte

// The operations.
const (
	Init   Kind = 1 // makes the map, once
	Set    Kind = 2
	Remove Kind = 3
)

// Op is one operation as it travels to the other members.
type Op struct {
	Kind   Kind
	Key    string
	Value  string // of Set
	Time   uint64 // nanoseconds; the greater wins
	Author [32]byte
}

// ErrArtifact says that bytes are not an artifact of this application.
var ErrArtifact = errors.New("kv: not an artifact of this application")

// Encode writes operations as an artifact. None is fine: a call that changes
// nothing still commits, because hosts expect a method that has committed once
// to do so always (R6).
func Encode(ops []Op) []byte {
	out := []byte(magic)
	for _, op := range ops {
		out = append(out, byte(op.Kind))
		out = appendText(out, op.Key)
		out = appendUint64(out, op.Time)
		out = append(out, op.Author[:]...)
		if op.Kind == Set {
			out = appendText(out, op.Value)
		}
	}
	return out
}

// The numbers are written out here because encoding/binary brings reflection
// into the guest, a third of its size.

func appendText(dst []byte, s string) []byte {
	n := len(s) // the host's limits are far below 4 GiB
	return append(append(dst, byte(n), byte(n>>8), byte(n>>16), byte(n>>24)), s...)
}

func appendUint64(dst []byte, n uint64) []byte {
	for shift := 0; shift < 64; shift += 8 {
		dst = append(dst, byte(n>>shift))
	}
	return dst
}

// number reads an integer, least byte first.
func number(data []byte) (n uint64) {
	for i, b := range data {
		n |= uint64(b) << (8 * i)
	}
	return n
}

// Decode reads an artifact; anything that Encode does not write is
// ErrArtifact.
func Decode(artifact []byte) ([]Op, error) {
	rest, ok := bytes.CutPrefix(artifact, []byte(magic))
	if !ok {
		return nil, ErrArtifact
	}
	var ops []Op
	r := reader{data: rest}
	for len(r.data) > 0 {
		op := Op{Kind: Kind(r.bytes(1)[0]), Key: r.text(), Time: number(r.bytes(8))}
		copy(op.Author[:], r.bytes(len(op.Author)))
		switch op.Kind {
		case Set:
			op.Value = r.text()
		case Init, Remove:
		default:
			return nil, ErrArtifact
		}
		if r.short {
			return nil, ErrArtifact
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// reader hands out zeroes once the data is too short, and remembers it.
type reader struct {
	data  []byte
	short bool
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.data) {
		r.short, r.data = true, nil
		return make([]byte, min(n, 64)) // enough for every field of fixed size
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (r *reader) text() string {
	n := number(r.bytes(4))
	if n > uint64(len(r.data)) {
		r.short, r.data = true, nil
		return ""
	}
	return string(r.bytes(int(n)))
}
