package sdk

import (
	"errors"

	"mero/node/sdk/codec"
	"mero/node/sdk/internal/host"
)

// ID names a member, a context or a blob. Its text form is base58, in JSON too.
type ID [32]byte

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// String is the id in base58.
func (id ID) String() string {
	var digits [44]byte // 58^44 > 256^32
	n := 0
	for _, b := range id {
		carry := int(b)
		for i := range n {
			carry += int(digits[i]) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			digits[n] = byte(carry % 58)
			n++
		}
	}
	out := make([]byte, 0, len(digits))
	for _, b := range id {
		if b != 0 {
			break
		}
		out = append(out, base58[0])
	}
	for i := n - 1; i >= 0; i-- {
		out = append(out, base58[digits[i]])
	}
	return string(out)
}

var errID = errors.New("want an id in base58")

// ParseID reads an id in base58.
func ParseID(text string) (id ID, err error) {
	zeros, leading := 0, true
	for _, c := range []byte(text) {
		carry := -1
		for i := range len(base58) {
			if base58[i] == c {
				carry = i
				break
			}
		}
		if carry < 0 {
			return ID{}, errID
		}
		if leading = leading && carry == 0; leading {
			zeros++
		}
		for i := len(id) - 1; i >= 0; i-- {
			carry += int(id[i]) * 58
			id[i] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			return ID{}, errID
		}
	}
	for i := range zeros {
		if i >= len(id) || id[i] != 0 {
			return ID{}, errID
		}
	}
	if zeros < len(id) && id[zeros] == 0 {
		return ID{}, errID // too short
	}
	return id, nil
}

// IsZero tells whether the id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// AppendID writes an id as JSON, for generated code.
func AppendID(dst []byte, p *ID) []byte { return codec.Quote(dst, p.String()) }

// ReadID reads an id, for generated code.
func ReadID(r *codec.Reader, p *ID) {
	if r.Null() {
		return
	}
	var text string
	codec.ReadString(r, &text)
	if r.Err() != nil {
		return
	}
	if err := p.UnmarshalText([]byte(text)); err != nil {
		r.Fail(err)
	}
}

// Executor is the member whose call this is.
func Executor() ID { return host.Executor() }

// Context is the context that the call runs in.
func Context() ID { return host.Context() }

// Origin is the context that made this call, if it was not a client.
func Origin() (context ID, ok bool) {
	id, ok := host.Origin()
	return id, ok
}

// IsMember tells whether somebody is a member of the context.
func IsMember(id ID) bool { return host.IsMember(id) }

// AllMembers are the members of the context.
func AllMembers() []ID {
	var members []ID
	for _, id := range host.MemberList() {
		members = append(members, id)
	}
	return members
}
