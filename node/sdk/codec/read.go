package codec

import (
	"encoding/base64"
	"strconv"
	"time"
)

// ReadString reads text.
func ReadString[T ~string](r *Reader, p *T) {
	if r.Null() {
		return
	}
	if s := r.string(); r.err == nil {
		*p = T(s)
	}
}

// ReadBool reads true or false.
func ReadBool[T ~bool](r *Reader, p *T) {
	switch c := r.peek(); {
	case c == 't' && r.word("true"):
		*p = true
	case c == 'f' && r.word("false"):
		*p = false
	case c == 'n' && r.word("null"):
	default:
		r.fail("want true or false")
	}
}

// ReadInt reads a whole number that the type can hold.
func ReadInt[T Signed](r *Reader, p *T) {
	if r.Null() {
		return
	}
	text := r.number()
	if r.err != nil {
		return
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || int64(T(n)) != n {
		r.fail("want a whole number, not too large")
		return
	}
	*p = T(n)
}

// ReadUint reads a whole number that the type can hold.
func ReadUint[T Unsigned](r *Reader, p *T) {
	if r.Null() {
		return
	}
	text := r.number()
	if r.err != nil {
		return
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || uint64(T(n)) != n {
		r.fail("want a whole number from 0 on, not too large")
		return
	}
	*p = T(n)
}

// ReadFloat64 reads a number.
func ReadFloat64[T ~float64](r *Reader, p *T) {
	if f, ok := r.float(64); ok {
		*p = T(f)
	}
}

// ReadFloat32 reads a number that the shorter type can hold.
func ReadFloat32[T ~float32](r *Reader, p *T) {
	if f, ok := r.float(32); ok {
		*p = T(f)
	}
}

func (r *Reader) float(bits int) (f float64, ok bool) {
	if r.Null() {
		return 0, false
	}
	text := r.number()
	if r.err != nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, bits)
	if err != nil {
		r.fail("want a number, not too large")
	}
	return f, err == nil
}

// ReadBytes reads bytes in base64.
func ReadBytes[T ~[]byte](r *Reader, p *T) {
	if r.Null() {
		*p = nil
		return
	}
	text := r.string()
	if r.err != nil {
		return
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		r.fail("want bytes in base64")
		return
	}
	*p = data
}

// ReadTime reads a time as in RFC 3339.
func ReadTime(r *Reader, p *time.Time) {
	if r.Null() {
		return
	}
	text := r.string()
	if r.err != nil {
		return
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fail("want a time such as 2006-01-02T15:04:05Z")
		return
	}
	*p = t
}

// ReadRaw reads a value of any kind as it stands.
func ReadRaw[T ~[]byte](r *Reader, p *T) {
	if raw := r.raw(); r.err == nil {
		*p = append(T{}, raw...)
	}
}

// ReadList reads a slice.
func ReadList[T any](r *Reader, p *[]T, each Read[T]) {
	if r.Null() {
		*p = nil
		return
	}
	list := []T{}
	r.List(func(int) {
		var v T
		each(r, &v)
		list = append(list, v)
	})
	if r.err == nil {
		*p = list
	}
}

// ReadMap reads a map.
func ReadMap[K ~string, T any](r *Reader, p *map[K]T, each Read[T]) {
	if r.Null() {
		*p = nil
		return
	}
	m := map[K]T{}
	r.Object(func(name string) bool {
		var v T
		each(r, &v)
		m[K(name)] = v
		return true
	})
	if r.err == nil {
		*p = m
	}
}

// ReadOptional reads a value that may be null.
func ReadOptional[T any](r *Reader, p **T, each Read[T]) {
	if r.Null() {
		*p = nil
		return
	}
	v := new(T)
	each(r, v)
	if r.err == nil {
		*p = v
	}
}
