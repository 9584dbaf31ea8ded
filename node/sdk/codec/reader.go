package codec

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep a value may be nested, so that input cannot use up
// the guest's stack.
const maxDepth = 64

// Reader reads JSON from the front. The first error stops it: what is read
// afterwards is left as it was.
type Reader struct {
	data  []byte
	at    int
	depth int
	err   error
}

// NewReader reads data, which must not change meanwhile.
func NewReader(data []byte) *Reader { return &Reader{data: data} }

// End is the first error; that there is something behind the value is one.
func (r *Reader) End() error {
	r.space()
	if r.err == nil && r.at != len(r.data) {
		r.fail("something follows the value")
	}
	return r.err
}

// Err is the first error so far.
func (r *Reader) Err() error { return r.err }

// Fail stops the reader.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *Reader) fail(what string) {
	if r.err == nil {
		r.err = errors.New(what + " at byte " + strconv.Itoa(r.at))
	}
}

// within names the field or element that the error, if there is one, was
// in.
func (r *Reader) within(name string) {
	if r.err != nil {
		r.err = &placed{name, r.err}
	}
}

// placed is an error in a part of a value: "tags[1]: want a string at byte 7".
type placed struct {
	name string
	err  error
}

func (e *placed) Error() string {
	inner, ok := e.err.(*placed) //nolint:errorlint // made here, never wrapped
	switch {
	case !ok:
		return e.name + ": " + e.err.Error()
	case inner.name[0] == '[':
		return e.name + inner.Error()
	default:
		return e.name + "." + inner.Error()
	}
}

func (e *placed) Unwrap() error { return e.err }

func (r *Reader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek is the first byte of what comes next; 0: nothing.
func (r *Reader) peek() byte {
	r.space()
	if r.err != nil || r.at == len(r.data) {
		return 0
	}
	return r.data[r.at]
}

func (r *Reader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

// Null takes null, if it is next.
func (r *Reader) Null() bool { return r.peek() == 'n' && r.word("null") }

// AtList tells whether a list is next.
func (r *Reader) AtList() bool { return r.peek() == '[' }

// Empty tells whether there is nothing at all.
func (r *Reader) Empty() bool { return r.err == nil && r.peek() == 0 }

func (r *Reader) word(word string) bool {
	if len(r.data)-r.at < len(word) || string(r.data[r.at:r.at+len(word)]) != word {
		return false
	}
	r.at += len(word)
	return true
}

// begin enters an object or a list.
func (r *Reader) begin(open byte, want string) bool {
	if !r.take(open) {
		r.fail("want " + want)
		return false
	}
	if r.depth++; r.depth > maxDepth {
		r.fail("nested too deep")
		return false
	}
	return true
}

// more goes to the next part of an object or list; false: it has ended, or an
// error has.
func (r *Reader) more(first bool, end byte) bool {
	if r.take(end) {
		r.depth--
		return false
	}
	if r.err == nil && !first && !r.take(',') {
		r.fail("want , or " + string(end))
	}
	return r.err == nil
}

// Object reads an object: field is called with each name and reads the value, or
// gives false to have it passed over. null is no field.
func (r *Reader) Object(field func(name string) bool) {
	if r.Null() || !r.begin('{', "an object") {
		return
	}
	for first := true; r.more(first, '}'); first = false {
		name := r.string()
		if !r.take(':') {
			r.fail("want :")
			return
		}
		if !field(name) {
			r.Skip()
		}
		r.within(name)
	}
}

// List reads a list: each reads one element.
func (r *Reader) List(each func(i int)) {
	if r.Null() || !r.begin('[', "a list") {
		return
	}
	for i := 0; r.more(i == 0, ']'); i++ {
		each(i)
		r.within("[" + strconv.Itoa(i) + "]")
	}
}

// Skip passes over one value.
func (r *Reader) Skip() {
	switch c := r.peek(); {
	case c == '{':
		r.Object(func(string) bool { return false })
	case c == '[':
		r.List(func(int) { r.Skip() })
	case c == '"':
		r.string()
	case c == '-' || isDigit(c):
		r.number()
	case c == 't' && r.word("true"), c == 'f' && r.word("false"), c == 'n' && r.word("null"):
	default:
		r.fail("want a value")
	}
}

// raw is the next value as it stands.
func (r *Reader) raw() []byte {
	r.space()
	start := r.at
	r.Skip()
	if r.err != nil {
		return nil
	}
	return r.data[start:r.at]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (r *Reader) digits() bool {
	start := r.at
	for r.at < len(r.data) && isDigit(r.data[r.at]) {
		r.at++
	}
	return r.at > start
}

func (r *Reader) is(cs ...byte) bool {
	if r.at == len(r.data) || !slices.Contains(cs, r.data[r.at]) {
		return false
	}
	r.at++
	return true
}

// number is the next number as it stands; "": it is none.
func (r *Reader) number() string {
	if c := r.peek(); c != '-' && !isDigit(c) {
		r.fail("want a number")
		return ""
	}
	start := r.at
	r.is('-')
	ok := r.is('0') || r.digits()
	if ok && r.is('.') {
		ok = r.digits()
	}
	if ok && r.is('e', 'E') {
		r.is('+', '-')
		ok = r.digits()
	}
	if !ok {
		r.fail("want a number")
		return ""
	}
	return string(r.data[start:r.at])
}

// string reads a string.
func (r *Reader) string() string {
	if !r.take('"') {
		r.fail("want a string")
		return ""
	}
	start := r.at
	for r.at < len(r.data) {
		switch c := r.data[r.at]; {
		case c == '"':
			r.at++
			return string(r.data[start : r.at-1])
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			r.fail("a control character in a string")
			return ""
		case c < utf8.RuneSelf:
			r.at++
		case !r.rune():
			return ""
		}
	}
	r.fail("a string without an end")
	return ""
}

func (r *Reader) rune() bool {
	c, n := utf8.DecodeRune(r.data[r.at:])
	if c == utf8.RuneError && n == 1 {
		r.fail("text that is not UTF-8")
		return false
	}
	r.at += n
	return true
}

// escaped reads the rest of a string, from its first escape on.
func (r *Reader) escaped(start int) string {
	out := append([]byte{}, r.data[start:r.at]...)
	for r.at < len(r.data) {
		switch c := r.data[r.at]; {
		case c == '"':
			r.at++
			return string(out)
		case c == '\\':
			r.at++
			if out = r.escape(out); r.err != nil {
				return ""
			}
		case c < ' ':
			r.fail("a control character in a string")
			return ""
		default:
			from := r.at
			if !r.rune() {
				return ""
			}
			out = append(out, r.data[from:r.at]...)
		}
	}
	r.fail("a string without an end")
	return ""
}

func (r *Reader) escape(out []byte) []byte {
	if r.at == len(r.data) {
		r.fail("a string without an end")
		return out
	}
	c := r.data[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		return r.unicode(out)
	}
	r.fail("an escape that JSON does not have")
	return out
}

func (r *Reader) unicode(out []byte) []byte {
	c, ok := hex4(r.data[r.at:])
	if !ok {
		r.fail("an escape that JSON does not have")
		return out
	}
	r.at += 4
	if utf16.IsSurrogate(c) {
		low := rune(0)
		if rest := r.data[r.at:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			low, _ = hex4(rest[2:])
		}
		if c = utf16.DecodeRune(c, low); c != utf8.RuneError {
			r.at += 6
		}
	}
	return utf8.AppendRune(out, c)
}

// hex4 reads the four digits of a \u escape.
func hex4(data []byte) (c rune, ok bool) {
	if len(data) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(data[:4]), 16, 16)
	return rune(n), err == nil
}
