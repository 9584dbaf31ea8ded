package line

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"
)

// Verb is one command that does something: `mero app install`.
type Verb struct {
	Name    string
	Args    string // as usage shows them: FILE|URL
	Min     int    // fewest arguments
	Max     int    // most arguments, -1 for any number
	Summary string // one line, no full stop
	Long    string // what the summary has no room for
	Example string // a line that works as typed, once its words exist
	Flags   []cli.Flag
	Slow    bool            // no timeout unless --timeout is given: data that moves
	Daemon  bool            // no timeout at all: MERO_TIMEOUT is not for a node
	Words   func() []string // what its first argument may be, for shells to complete
	Run     func(ctx context.Context, e *Env) error

	group string // set by NewTree
}

// Path is the verb as typed: `app install`.
func (v *Verb) Path() string {
	if v.group == "" {
		return v.Name
	}
	return v.group + " " + v.Name
}

// Usage is the one line that says how to type it.
func (v *Verb) Usage() string {
	line := "mero " + v.Path()
	if len(v.Flags) > 0 {
		line += " [flags]"
	}
	if v.Args != "" {
		line += " " + v.Args
	}
	return line
}

// Group is a noun with its verbs; the one without a name holds `call` and the
// like, which stand alone.
type Group struct {
	Name, Summary string
	Verbs         []*Verb
}

func (g *Group) verb(name string) *Verb {
	for _, v := range g.Verbs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// Tree is the whole command line.
type Tree struct {
	groups  []*Group
	globals []cli.Flag
}

// NewTree is the command line of these groups.
func NewTree(groups ...*Group) *Tree {
	t := &Tree{globals: globalFlags(), groups: groups}
	for _, g := range groups {
		for _, v := range g.Verbs {
			v.group = g.Name
		}
	}
	return t
}

// Verbs are all of them, for who walks them.
func (t *Tree) Verbs() []*Verb {
	var verbs []*Verb
	for _, g := range t.groups {
		verbs = append(verbs, g.Verbs...)
	}
	return verbs
}

// Globals are the flags of every command.
func (t *Tree) Globals() []cli.Flag { return t.globals }

// Sort puts the words of a command line where cli/v2 looks for them.
func (t *Tree) Sort(args ...string) ([]string, error) {
	words, _, err := sortArgs(t, args)
	return words.list(), err
}

func (t *Tree) group(name string) *Group {
	for _, g := range t.groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// find is the verb at a path, or nil.
func (t *Tree) find(path []string) *Verb {
	switch len(path) {
	case 1:
		return t.group("").verb(path[0])
	case 2:
		if g := t.group(path[0]); g != nil && path[0] != "" {
			return g.verb(path[1])
		}
	}
	return nil
}

// words are what may stand first: groups and the verbs without one.
func (t *Tree) words() []string {
	var words []string
	for _, g := range t.groups {
		if g.Name != "" {
			words = append(words, g.Name)
		}
	}
	for _, v := range t.group("").Verbs {
		words = append(words, v.Name)
	}
	return words
}

func (g *Group) words() []string {
	words := make([]string, 0, len(g.Verbs))
	for _, v := range g.Verbs {
		words = append(words, v.Name)
	}
	return words
}

// findFlag looks a name up in flag tables.
func findFlag(name string, tables ...[]cli.Flag) cli.Flag {
	for _, table := range tables {
		for _, f := range table {
			if slices.Contains(f.Names(), name) {
				return f
			}
		}
	}
	return nil
}

// TakesValue tells a flag with a value from one without.
func TakesValue(f cli.Flag) bool {
	_, isBool := f.(*cli.BoolFlag)
	return !isBool
}

// dashed is a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func flagWords(tables ...[]cli.Flag) []string {
	words := []string{"--help"}
	for _, table := range tables {
		for _, f := range table {
			for _, name := range f.Names() {
				if len(name) > 1 {
					words = append(words, dashed(name))
				}
			}
		}
	}
	return words
}

// words are what the first argument may be, as far as that is known.
func (v *Verb) words() []string {
	if v.Words == nil {
		return nil
	}
	return v.Words()
}
