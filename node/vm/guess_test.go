package vm_test

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mero/node/vm"
)

// node is one JSON value of arguments that are being guessed. Errors of serde
// give the column where reading ended, so a node remembers where it was
// written.
type node struct {
	kind   string // object, list, or the literal text in literal
	names  []string
	values []*node

	root    bool // the arguments themselves, which stay an object
	literal string
	tried   []string // literals that were refused

	start, end int
}

func (n *node) write(dst []byte) []byte {
	n.start = len(dst)
	switch n.kind {
	case "object":
		dst = append(dst, '{')
		for i, name := range n.names {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(strconv.AppendQuote(dst, name), ':'), n.values[i].write(nil)...)
			n.values[i].shift(len(dst) - n.values[i].end)
		}
		dst = append(dst, '}')
	case "list":
		dst = append(dst, '[')
		for i, v := range n.values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, v.write(nil)...)
			v.shift(len(dst) - v.end)
		}
		dst = append(dst, ']')
	default:
		dst = append(dst, n.literal...)
	}
	n.end = len(dst)
	return dst
}

func (n *node) shift(by int) {
	n.start, n.end = n.start+by, n.end+by
	for _, v := range n.values {
		v.shift(by)
	}
}

// at finds the innermost node that was being read at a column, among those
// that ok admits.
func (n *node) at(column int, ok func(*node) bool) *node {
	for _, v := range slices.Backward(n.values) {
		if v.start <= column && column <= v.end {
			if found := v.at(column, ok); found != nil {
				return found
			}
		}
	}
	if ok(n) {
		return n
	}
	return nil
}

func isObject(n *node) bool { return n.kind == "object" }
func isValue(*node) bool    { return true }

// last is the newest field below n: what an error without a column is about.
func (n *node) last() *node {
	if len(n.values) == 0 {
		return n
	}
	return n.values[len(n.values)-1].last()
}

var (
	missingField = regexp.MustCompile("missing field `([^`]+)`")
	unknownField = regexp.MustCompile("unknown field `([^`]+)`")
	variants     = regexp.MustCompile("unknown variant .*expected (?:one of )?(.*)")
	column       = regexp.MustCompile(`column:? (\d+)`)
	expected     = regexp.MustCompile(`invalid (?:type|value|length)[^"]*(?:\\?"[^"]*"[^"]*?)?, expected ([^,"\\]*)`)
	backticked   = regexp.MustCompile("`([^`]+)`")
)

// learn changes the arguments by what an error says; false when it says
// nothing that helps.
func (n *node) learn(err error) bool {
	var e *vm.Error
	if !errors.As(err, &e) || e.Kind != vm.KindPanic {
		return false
	}
	text := e.Message
	where := n.last()
	parent := n
	if m := column.FindStringSubmatch(text); m != nil {
		if c, err := strconv.Atoi(m[1]); err == nil && c > 0 {
			where, parent = n.at(c, isValue), n.at(c, isObject) // the root is both
		}
	}
	if m := missingField.FindStringSubmatch(text); m != nil {
		return parent.add(m[1])
	}
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return parent.drop(m[1])
	}
	if m := variants.FindStringSubmatch(text); m != nil {
		for _, v := range backticked.FindAllStringSubmatch(m[1], -1) {
			if where.become(strconv.Quote(v[1])) {
				return true
			}
		}
		return false
	}
	if m := expected.FindStringSubmatch(text); m != nil {
		return where.expect(m[1])
	}
	return where.another()
}

func (n *node) add(name string) bool {
	if slices.Contains(n.names, name) || len(n.names) > 20 {
		return false
	}
	n.names = append(n.names, name)
	n.values = append(n.values, &node{literal: `"a"`, tried: []string{`"a"`}})
	return true
}

func (n *node) drop(name string) bool {
	i := slices.Index(n.names, name)
	if i < 0 {
		return false
	}
	n.names, n.values = slices.Delete(n.names, i, i+1), slices.Delete(n.values, i, i+1)
	return true
}

// become takes a literal that was not refused yet.
func (n *node) become(literal string) bool {
	if n.root || slices.Contains(n.tried, literal) {
		return false
	}
	*n = node{literal: literal, tried: append(n.tried, literal)}
	return true
}

func (n *node) container(kind string) bool {
	if n.root || slices.Contains(n.tried, kind) {
		return false
	}
	*n = node{kind: kind, tried: append(n.tried, kind)}
	return true
}

// bytesOf is an array of so many numbers.
func bytesOf(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }

var length = regexp.MustCompile(`array of length (\d+)|(\d+) (?:bytes|elements)`)

// expect takes a value of the kind that serde names.
func (n *node) expect(what string) bool {
	if m := length.FindStringSubmatch(what); m != nil {
		if size, err := strconv.Atoi(m[1] + m[2]); err == nil && size <= 4096 && n.become(bytesOf(size)) {
			return true
		}
		return n.another()
	}
	switch {
	case strings.HasPrefix(what, "struct"), strings.Contains(what, "a map"):
		return n.container("object") || n.another()
	case strings.Contains(what, "sequence"), strings.Contains(what, "array"), strings.Contains(what, "tuple"):
		return n.container("list") || n.become(bytesOf(32)) || n.another()
	case strings.Contains(what, "bool"):
		return n.become("true") || n.another()
	case strings.HasPrefix(what, "f"):
		return n.become("1.5") || n.another()
	case strings.HasPrefix(what, "u"), strings.HasPrefix(what, "i"):
		return n.become("1") || n.another()
	default:
		return n.another()
	}
}

// another takes the next literal that often fits: an id in base58, in hex, a
// number as text, and so on.
func (n *node) another() bool {
	return slices.ContainsFunc([]string{
		`"a"`, `"1"`, `"` + self.String() + `"`, `"` + strings.Repeat("01", 32) + `"`, "1", "0", "true", "null", bytesOf(32), "[]", "{}",
	}, n.become)
}
