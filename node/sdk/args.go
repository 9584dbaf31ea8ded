package sdk

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"mero/node/sdk/codec"
)

// Args are arguments by name, for Call. Values may be what JSON has: nil, bool,
// string, whole numbers, float64, []byte (base64), time.Time, ID, lists of text,
// []any and Args; and codec'd JSON as JSON.
type Args map[string]any

// JSON is a value that is JSON already.
type JSON []byte

// MarshalJSON implements json.Marshaler.
func (j JSON) MarshalJSON() ([]byte, error) { return codec.AppendRaw(nil, &j), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (j *JSON) UnmarshalJSON(data []byte) error {
	*j = append(JSON{}, data...)
	return nil
}

// JSON is the object of the arguments.
func (a Args) JSON() []byte { return a.append(nil) }

func (a Args) append(dst []byte) []byte {
	dst = append(dst, '{')
	for _, name := range slices.Sorted(maps.Keys(a)) {
		dst = codec.Name(dst, string(codec.Quote(nil, name)))
		dst = appendAny(dst, a[name])
	}
	return append(dst, '}')
}

func appendAny(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return codec.Quote(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return codec.AppendFloat64(dst, &v)
	case []byte:
		return codec.AppendBytes(dst, &v)
	case time.Time:
		return codec.AppendTime(dst, &v)
	case ID:
		return AppendID(dst, &v)
	case JSON:
		return codec.AppendRaw(dst, &v)
	case []string:
		return codec.AppendList(dst, v, codec.AppendString)
	case []any:
		return codec.AppendList(dst, v, func(dst []byte, p *any) []byte { return appendAny(dst, *p) })
	case Args:
		return v.append(dst)
	}
	panic("sdk: an argument is of a type that Args does not take; make it sdk.JSON") //nolint:forbidigo // a mistake in the application
}

// Error is an error with a word for programs: clients get {"kind":…,"data":…}.
// Of any other error they get the text.
type Error struct{ Kind, Data string }

func (e *Error) Error() string {
	if e.Data == "" {
		return e.Kind
	}
	return e.Kind + ": " + e.Data
}

// AppendError writes what clients get of an error, for generated code.
func AppendError(dst []byte, err error) []byte {
	for e := err; e != nil; {
		if own, ok := e.(*Error); ok { //nolint:errorlint // it unwraps below, without the weight of package errors
			dst = codec.Quote(append(dst, `{"kind":`...), own.Kind)
			return append(codec.Quote(append(dst, `,"data":`...), own.Data), '}')
		}
		wrapper, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = wrapper.Unwrap()
	}
	return codec.Quote(dst, err.Error())
}
