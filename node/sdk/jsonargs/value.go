package jsonargs

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is the string that r is.
func (r Raw) Text() (string, error) {
	if len(r) < 2 || r[0] != '"' {
		return "", errors.New("invalid type: expected a string")
	}
	body := r[1 : len(r)-1]
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); {
		if body[i] != '\\' {
			out = append(out, body[i])
			i++
			continue
		}
		if body[i+1] != 'u' {
			out = append(out, unescape(body[i+1]))
			i += 2
			continue
		}
		c, _ := hex4(body[i+2:])
		i += 6
		if utf16.IsSurrogate(c) {
			low, ok := lowSurrogate(body[i:])
			if c = utf16.DecodeRune(c, low); ok && c != utf8.RuneError {
				i += 6
			} else {
				c = utf8.RuneError
			}
		}
		out = utf8.AppendRune(out, c)
	}
	return string(out), nil
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default: // the quote, the backslash and the slash stand for themselves
		return c
	}
}

func lowSurrogate(data []byte) (r rune, ok bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	return hex4(data[2:])
}

// Uint is the whole number that r is.
func (r Raw) Uint() (uint64, error) {
	n, err := strconv.ParseUint(string(r), 10, 64)
	if err != nil {
		return 0, errors.New("invalid type: expected a whole number")
	}
	return n, nil
}

// AppendString writes s as a JSON string. Bytes that are not UTF-8 become the
// replacement character.
func AppendString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
