package codec

import (
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Append writes *p behind dst.
type Append[T any] func(dst []byte, p *T) []byte

// Read reads the next value of r into *p.
type Read[T any] func(r *Reader, p *T)

// Codec is both.
type Codec[T any] struct {
	Append Append[T]
	Read   Read[T]
}

// Encode is one value alone.
func (c Codec[T]) Encode(v T) []byte { return c.Append(nil, &v) }

// Decode reads one value alone.
func (c Codec[T]) Decode(data []byte) (v T, err error) {
	r := NewReader(data)
	c.Read(r, &v)
	return v, r.End()
}

// Quote writes s as a JSON string. Bytes that are not UTF-8 become the
// replacement character.
func Quote(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// AppendString writes text.
func AppendString[T ~string](dst []byte, p *T) []byte { return Quote(dst, string(*p)) }

// AppendBool writes a truth value.
func AppendBool[T ~bool](dst []byte, p *T) []byte { return strconv.AppendBool(dst, bool(*p)) }

// Signed are the whole numbers with a sign.
type Signed interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64
}

// Unsigned are the whole numbers without one.
type Unsigned interface {
	~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// AppendInt writes a whole number.
func AppendInt[T Signed](dst []byte, p *T) []byte { return strconv.AppendInt(dst, int64(*p), 10) }

// AppendUint writes a whole number.
func AppendUint[T Unsigned](dst []byte, p *T) []byte { return strconv.AppendUint(dst, uint64(*p), 10) }

// AppendFloat64 writes a number. JSON has neither infinities nor NaN: they are
// null.
func AppendFloat64[T ~float64](dst []byte, p *T) []byte { return appendFloat(dst, float64(*p), 64) }

// AppendFloat32 is AppendFloat64 for the shorter type.
func AppendFloat32[T ~float32](dst []byte, p *T) []byte { return appendFloat(dst, float64(*p), 32) }

func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// AppendBytes writes bytes in base64.
func AppendBytes[T ~[]byte](dst []byte, p *T) []byte {
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), *p)
	return append(dst, '"')
}

// AppendTime writes a time as in RFC 3339, with as many digits as it needs.
func AppendTime(dst []byte, p *time.Time) []byte {
	return append(p.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

// AppendRaw writes what is JSON already; nothing is null.
func AppendRaw[T ~[]byte](dst []byte, p *T) []byte {
	if len(*p) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, *p...)
}

// AppendList writes a slice.
func AppendList[T any](dst []byte, list []T, each Append[T]) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = each(dst, &list[i])
	}
	return append(dst, ']')
}

// AppendMap writes a map, keys ascending.
func AppendMap[K ~string, T any](dst []byte, m map[K]T, each Append[T]) []byte {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(Quote(dst, string(key)), ':')
		v := m[key]
		dst = each(dst, &v)
	}
	return append(dst, '}')
}

// AppendOptional writes what a pointer points to, or null.
func AppendOptional[T any](dst []byte, p *T, each Append[T]) []byte {
	if p == nil {
		return append(dst, "null"...)
	}
	return each(dst, p)
}

// Name begins a field: a comma, unless it is the first, the name, a colon.
// quoted is the name as JSON.
func Name(dst []byte, quoted string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(dst, quoted...), ':')
}
