package jsonargs

import (
	"errors"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds how deep a value may be nested, so that input cannot use up
// the guest's stack.
const maxDepth = 64

// Raw is one JSON value as it stands in the input.
type Raw []byte

// Parse splits a method's input into the values of the named arguments, in the
// order of names. The messages are those of Calimero's SDK where clients look
// at them: "missing field `key`", "unknown field `x`".
func Parse(input []byte, names ...string) ([]Raw, error) {
	p := parser{data: input}
	p.space()
	var values []Raw
	var err error
	switch p.peek() {
	case '{':
		values, err = p.object(names)
	case '[':
		values, err = p.array(names)
	default:
		return nil, errors.New("invalid input: expected an object of arguments")
	}
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at != len(p.data) {
		return nil, p.fail("trailing characters")
	}
	for i, v := range values {
		if v == nil {
			return nil, errors.New("missing field `" + names[i] + "`")
		}
	}
	return values, nil
}

type parser struct {
	data []byte
	at   int
}

func (p *parser) fail(what string) error {
	return errors.New("invalid input: " + what + " at byte " + strconv.Itoa(p.at))
}

func (p *parser) peek() byte {
	if p.at == len(p.data) {
		return 0
	}
	return p.data[p.at]
}

func (p *parser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// take skips space and then c, if c is next.
func (p *parser) take(c byte) bool {
	p.space()
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

// fields walks an object whose brace is next and calls each with every name;
// each must read the value.
func (p *parser) fields(each func(name string) error) error {
	p.at++
	if p.take('}') {
		return nil
	}
	for {
		p.space()
		start := p.at
		if err := p.skipString(); err != nil {
			return err
		}
		name, err := Raw(p.data[start:p.at]).Text()
		if err != nil {
			return err
		}
		if !p.take(':') {
			return p.fail("expected `:`")
		}
		if err := each(name); err != nil {
			return err
		}
		if p.take('}') {
			return nil
		}
		if !p.take(',') {
			return p.fail("expected `,` or `}`")
		}
	}
}

// elements does for an array what fields does for an object.
func (p *parser) elements(each func() error) error {
	p.at++
	if p.take(']') {
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if p.take(']') {
			return nil
		}
		if !p.take(',') {
			return p.fail("expected `,` or `]`")
		}
	}
}

func (p *parser) object(names []string) ([]Raw, error) {
	values := make([]Raw, len(names))
	err := p.fields(func(name string) error {
		at := index(names, name)
		if at < 0 {
			return errors.New("unknown field `" + name + "`")
		}
		if values[at] != nil {
			return errors.New("duplicate field `" + name + "`")
		}
		var err error
		values[at], err = p.value(1)
		return err
	})
	return values, err
}

func (p *parser) array(names []string) ([]Raw, error) {
	values := make([]Raw, len(names))
	n := 0
	err := p.elements(func() error {
		if n == len(names) {
			return p.fail("too many arguments")
		}
		var err error
		values[n], err = p.value(1)
		n++
		return err
	})
	return values, err
}

func index(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// value reads one value of any kind and returns its bytes.
func (p *parser) value(depth int) (Raw, error) {
	p.space()
	start := p.at
	if err := p.skip(depth); err != nil {
		return nil, err
	}
	return p.data[start:p.at], nil
}

func (p *parser) skip(depth int) error {
	if depth > maxDepth {
		return p.fail("nested too deep")
	}
	switch c := p.peek(); {
	case c == '"':
		return p.skipString()
	case c == '{':
		return p.fields(func(string) error { _, err := p.value(depth + 1); return err })
	case c == '[':
		return p.elements(func() error { _, err := p.value(depth + 1); return err })
	case c == '-' || isDigit(c):
		return p.skipNumber()
	default:
		for _, word := range []string{"true", "false", "null"} {
			if len(p.data)-p.at >= len(word) && string(p.data[p.at:p.at+len(word)]) == word {
				p.at += len(word)
				return nil
			}
		}
		return p.fail("expected a value")
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) digits() bool {
	start := p.at
	for isDigit(p.peek()) {
		p.at++
	}
	return p.at > start
}

func (p *parser) skipNumber() error {
	if p.peek() == '-' {
		p.at++
	}
	if p.peek() == '0' {
		p.at++
	} else if !p.digits() {
		return p.fail("invalid number")
	}
	if p.peek() == '.' {
		p.at++
		if !p.digits() {
			return p.fail("invalid number")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !p.digits() {
			return p.fail("invalid number")
		}
	}
	return nil
}

func (p *parser) skipString() error {
	if p.peek() != '"' {
		return p.fail("expected a string")
	}
	p.at++
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			return nil
		case c == '\\':
			if err := p.skipEscape(); err != nil {
				return err
			}
		case c < ' ':
			return p.fail("control character in a string")
		case c < utf8.RuneSelf:
			p.at++
		default:
			r, n := utf8.DecodeRune(p.data[p.at:])
			if r == utf8.RuneError && n == 1 {
				return p.fail("invalid UTF-8")
			}
			p.at += n
		}
	}
	return p.fail("unterminated string")
}

func (p *parser) skipEscape() error {
	p.at++
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.at++
		return nil
	case 'u':
		if _, ok := hex4(p.data[p.at+1:]); !ok {
			return p.fail("invalid escape")
		}
		p.at += 5
		return nil
	default:
		return p.fail("invalid escape")
	}
}

// hex4 reads the four digits of a \u escape.
func hex4(data []byte) (r rune, ok bool) {
	if len(data) < 4 {
		return 0, false
	}
	for _, c := range data[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
