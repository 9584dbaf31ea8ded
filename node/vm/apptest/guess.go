package apptest

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mero/node/vm"
)

// maxGuesses bounds the tries of Guess.Call.
const maxGuesses = 60

// Guess is the JSON arguments of one method of an application that nothing is
// known of. They begin as {} and are changed by what its errors say, which are
// those of serde. Where any text would do there is often an id, so one is given.
type Guess struct {
	root *node
	id   string
}

// NewGuess guesses {}; id is the text of a member's key.
func NewGuess(id string) *Guess {
	return &Guess{root: &node{kind: object, root: true}, id: id}
}

// NewFullGuess guesses [], arguments by their position (wasm-abi 4.1), of which
// none may be left out: so it finds those that NewGuess is never asked for.
func NewFullGuess(id string) *Guess {
	return &Guess{root: &node{kind: list, root: true}, id: id}
}

// Input is the arguments as they are guessed now.
func (g *Guess) Input() []byte { return g.root.write() }

// Learn changes the arguments by what an error says of Input; it is false when
// that is nothing which helps.
func (g *Guess) Learn(err error) bool {
	var e *vm.Error
	if !errors.As(err, &e) || e.Kind != vm.KindPanic {
		return false
	}
	g.root.write() // where each value stands, which the error may be about
	return g.root.learn(e.Message, g.id)
}

// Call runs a method with one guess after another until it ends well or cannot
// be guessed any further, and returns its last error, which is about Input.
func (g *Guess) Call(run func(input []byte) error) error {
	for range maxGuesses {
		err := run(g.Input())
		if err == nil || !g.Learn(err) {
			return err
		}
	}
	return run(g.Input())
}

// Vary is Input with other values in some places: of those that words knows,
// and numbers. Whether the method likes them is not known. below picks one of n.
func (g *Guess) Vary(below func(n int) int, words *Words) []byte {
	return g.root.varied("", below, words).write()
}

// maxWords is how many words are kept, maxLiked how many values of one argument.
const (
	maxWords = 16
	maxLiked = 6
)

// Words are the strings that arguments may hold: some that are given, and those
// that methods returned, which are names and ids that other methods take.
type Words struct {
	given, seen  []string            // as JSON
	known, liked map[string][]string // by argument
}

// NewWords begins with those given, which are never forgotten.
func NewWords(given ...string) *Words {
	w := &Words{known: make(map[string][]string), liked: make(map[string][]string)}
	for _, word := range given {
		w.given = append(w.given, strconv.Quote(word))
	}
	return w
}

// Know gives what an argument of this name may be, as JSON, where no guess would
// find it.
func (w *Words) Know(name string, literals ...string) { w.known[name] = literals }

// Like remembers the values of arguments, by their names, that a method was content
// with: others may be.
func (w *Words) Like(input []byte) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(input, &fields) != nil {
		return // by position
	}
	for name, value := range fields {
		if list := w.liked[name]; !slices.Contains(list, string(value)) {
			w.liked[name] = append(list, string(value))[max(0, len(list)+1-maxLiked):]
		}
	}
}

// Add takes the strings out of what a method returned; the oldest are forgotten.
func (w *Words) Add(output []byte) {
	var value any
	if json.Unmarshal(output, &value) == nil {
		w.add(value)
	}
	w.seen = w.seen[max(0, len(w.seen)-maxWords):]
}

func (w *Words) add(value any) {
	switch v := value.(type) {
	case string:
		text, err := json.Marshal(v)
		if err == nil && v != "" && len(v) <= 128 && !slices.Contains(w.seen, string(text)) && !slices.Contains(w.given, string(text)) {
			w.seen = append(w.seen, string(text))
		}
	case []any:
		for _, item := range v {
			w.add(item)
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names) // so that one seed gives one run
		for _, name := range names {
			w.add(v[name])
		}
	}
}

// of is a value for an argument of this name, or empty.
func (w *Words) of(name string, below func(n int) int) string {
	if known := w.known[name]; len(known) > 0 {
		return known[below(len(known))]
	}
	if liked := w.liked[name]; len(liked) > 0 && below(2) == 0 {
		return liked[below(len(liked))]
	}
	return ""
}

// pick is one of the words, half of the time one that was returned; literal, where
// there is none.
func (w *Words) pick(below func(n int) int, literal string) string {
	list := w.given
	if len(list) == 0 || len(w.seen) > 0 && below(2) == 0 {
		list = w.seen
	}
	if len(list) == 0 {
		return literal
	}
	return list[below(len(list))]
}

// Kinds of nodes.
const (
	object = "object"
	list   = "list"
)

// node is one JSON value of arguments that are being guessed. Errors of serde
// give the column where reading ended, so a node remembers where it was
// written.
type node struct {
	kind   string // object, list, or empty for the literal
	names  []string
	values []*node

	root    bool // the arguments themselves, which stay an object
	literal string
	tried   []string // literals that were refused

	start, end int
}

// write gives the JSON, and leaves where in it each node stands.
func (n *node) write() []byte {
	var dst []byte
	value := func(v *node) {
		dst = append(dst, v.write()...)
		v.shift(len(dst) - v.end)
	}
	switch n.kind {
	case object:
		dst = append(dst, '{')
		for i, name := range n.names {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(strconv.AppendQuote(dst, name), ':')
			value(n.values[i])
		}
		dst = append(dst, '}')
	case list:
		dst = append(dst, '[')
		for i, v := range n.values {
			if i > 0 {
				dst = append(dst, ',')
			}
			value(v)
		}
		dst = append(dst, ']')
	default:
		dst = append(dst, n.literal...)
	}
	n.start, n.end = 0, len(dst)
	return dst
}

func (n *node) shift(by int) {
	n.start, n.end = n.start+by, n.end+by
	for _, v := range n.values {
		v.shift(by)
	}
}

// varied is a copy with other values in half of the places; name is whose they are.
func (n *node) varied(name string, below func(n int) int, words *Words) *node {
	if literal := words.of(name, below); literal != "" {
		return &node{literal: literal}
	}
	out := &node{kind: n.kind, names: n.names, literal: n.literal}
	for i, v := range n.values {
		inner := ""
		if n.kind == object {
			inner = n.names[i]
		}
		out.values = append(out.values, v.varied(inner, below, words))
	}
	if n.kind != "" || below(2) == 0 {
		return out
	}
	switch c := n.literal[0]; {
	case c == '"':
		out.literal = words.pick(below, n.literal)
	case c == 't', c == 'f':
		out.literal = strconv.FormatBool(below(2) == 0)
	case c >= '0' && c <= '9' && !strings.Contains(n.literal, "."):
		out.literal = strconv.Itoa(below(4))
	}
	return out
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

func isObject(n *node) bool { return n.kind == object }
func isValue(*node) bool    { return true }

// last is the newest field below n: what an error without a column is about.
func (n *node) last() *node {
	if len(n.values) == 0 {
		return n
	}
	return n.values[len(n.values)-1].last()
}

// What serde says.
var (
	missingField = regexp.MustCompile("missing field `([^`]+)`")
	unknownField = regexp.MustCompile("unknown field `([^`]+)`")
	variants     = regexp.MustCompile("unknown variant .*expected (?:one of )?(.*)")
	column       = regexp.MustCompile(`column:? (\d+)`)
	expected     = regexp.MustCompile(`invalid (?:type|value|length)[^"]*(?:\\?"[^"]*"[^"]*?)?, expected ([^,"\\]*)`)
	backticked   = regexp.MustCompile("`([^`]+)`")
	length       = regexp.MustCompile(`array of length (\d+)|(\d+) (?:bytes|elements?)`)
)

// learn changes the arguments by what an error says; false when it says
// nothing that helps.
func (n *node) learn(text, id string) bool {
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
		return where.expect(m[1], id)
	}
	return where.another(id)
}

func (n *node) add(name string) bool {
	if slices.Contains(n.names, name) || len(n.names) > 20 {
		return false
	}
	n.names = append(n.names, name)
	n.values = append(n.values, &node{literal: `"a"`, tried: []string{`"a"`}})
	return true
}

// grow gives arguments by position their number.
func (n *node) grow(size int) bool {
	if len(n.values) > 0 || size > 20 {
		return false
	}
	for range size {
		n.values = append(n.values, &node{literal: `"a"`, tried: []string{`"a"`}})
	}
	return size > 0
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

// expect takes a value of the kind that serde names.
func (n *node) expect(what, id string) bool {
	if m := length.FindStringSubmatch(what); m != nil {
		size, err := strconv.Atoi(m[1] + m[2])
		if n.root && n.kind == list {
			return err == nil && n.grow(size)
		}
		return err == nil && size <= 4096 && n.become(bytesOf(size)) || n.another(id)
	}
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(what, word) })
	}
	ok := false
	switch {
	case strings.HasPrefix(what, "struct"), says("a map"):
		ok = n.container(object)
	case says("sequence", "array", "tuple"):
		ok = n.container(list) || n.become(bytesOf(32))
	case says("bool"):
		ok = n.become("true")
	case strings.HasPrefix(what, "f"):
		ok = n.become("1.5")
	case strings.HasPrefix(what, "u"), strings.HasPrefix(what, "i"):
		ok = n.become("1")
	}
	return ok || n.another(id)
}

// another takes the next literal that often fits: an id in base58, in hex, a
// number as text, and so on.
func (n *node) another(id string) bool {
	return slices.ContainsFunc([]string{
		`"a"`, `"1"`, strconv.Quote(id), `"` + strings.Repeat("01", 32) + `"`, "1", "0", "true", "null", bytesOf(32), "[]", "{}",
	}, n.become)
}
