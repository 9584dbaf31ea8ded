package line

import (
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/node"
)

// sorted is a command line taken apart: cli/v2 stops at the first argument and
// hands later flags over as arguments without a word, and knows global flags
// only before the group, so everything is put where it looks for it.
type sorted struct {
	globals []string // --name=value
	path    []string // group and verb
	flags   []string // --name=value, of the verb
	args    []string
	help    bool
	version bool
}

// list is what cli/v2 is given.
func (s *sorted) list() []string {
	out := append([]string{"mero"}, s.globals...)
	out = append(out, s.path...)
	out = append(out, s.flags...)
	out = append(out, "--")
	return append(out, s.args...)
}

// global is the last value that a global flag was given, by its first name.
func (s *sorted) global(name string) (string, bool) {
	for _, flag := range slices.Backward(s.globals) {
		if value, ok := strings.CutPrefix(flag, "--"+name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// sorter walks the list once.
type sorter struct {
	tree *Tree
	out  sorted
	rest []string

	group *Group
	verb  *Verb
}

// sortArgs takes a command line apart by the flag tables of the command that it
// names. What was understood is returned with an error too, so that --output
// json holds for the error itself.
func sortArgs(t *Tree, args []string) (*sorted, *Verb, error) {
	s := &sorter{tree: t, rest: args}
	var first error
	for len(s.rest) > 0 {
		word := s.rest[0]
		s.rest = s.rest[1:]
		var err error
		switch {
		case word == "--":
			for _, arg := range s.rest {
				if err == nil {
					err = s.word(arg)
				}
			}
			s.rest = nil
		case len(word) > 1 && word[0] == '-':
			err = s.flag(word)
		default:
			err = s.word(word)
		}
		if err != nil && first == nil {
			first = err // go on: what follows may be --output json
		}
	}
	return &s.out, s.verb, first
}

// word takes a group, a verb, or an argument.
func (s *sorter) word(word string) error {
	if s.verb != nil {
		s.out.args = append(s.out.args, word)
		return nil
	}
	if s.group == nil {
		if word == "help" && len(s.out.path) == 0 {
			s.out.help = true
			return nil
		}
		if s.verb = s.tree.group("").verb(word); s.verb != nil {
			s.out.path = append(s.out.path, word)
			return nil
		}
		if word != "" {
			s.group = s.tree.group(word)
		}
		if s.group == nil {
			return &UsageError{
				Text: "unknown command " + strconv.Quote(word), Nearest: node.Nearest(word, s.tree.words()),
				Usage: "mero [flags] GROUP VERB [flags] [args]", Help: "mero --help",
			}
		}
		s.out.path = append(s.out.path, word)
		return nil
	}
	if s.verb = s.group.verb(word); s.verb == nil {
		nearest := node.Nearest(word, s.group.words())
		if nearest != "" {
			nearest = s.group.Name + " " + nearest
		}
		return &UsageError{
			Text: "unknown command " + strconv.Quote(s.group.Name+" "+word), Nearest: nearest,
			Usage: "mero " + s.group.Name + " " + strings.Join(s.group.words(), "|"), Help: "mero " + s.group.Name + " --help",
		}
	}
	s.out.path = append(s.out.path, word)
	return nil
}

// flag takes --name, --name=value, or --name with the word that follows.
func (s *sorter) flag(word string) error {
	name, value, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
	switch name {
	case "help", "h":
		s.out.help = true
		return nil
	case "version", "v":
		s.out.version = true
		return nil
	}
	var own []cli.Flag
	if s.verb != nil {
		own = s.verb.Flags
	}
	f := findFlag(name, s.tree.globals, own)
	if f == nil {
		return s.unknownFlag(word, name)
	}
	global := findFlag(name, s.tree.globals) != nil
	switch {
	case hasValue:
	case !TakesValue(f):
		value = "true"
	case len(s.rest) == 0 || s.isFlag(s.rest[0], own):
		return s.usage("flag " + dashed(name) + " needs a value")
	default:
		value, s.rest = s.rest[0], s.rest[1:]
	}
	if _, err := strconv.ParseBool(value); err != nil && !TakesValue(f) {
		return s.usage("flag " + dashed(name) + " is either there or not; " + strconv.Quote(value) + " is no value for it")
	}
	text := "--" + f.Names()[0] + "=" + value
	if global {
		s.out.globals = append(s.out.globals, text)
	} else {
		s.out.flags = append(s.out.flags, text)
	}
	return nil
}

// isFlag reports whether a word is a flag that is known here: the value of the
// flag before it was forgotten then.
func (s *sorter) isFlag(word string, own []cli.Flag) bool {
	if !strings.HasPrefix(word, "--") {
		return false
	}
	name, _, _ := strings.Cut(word[2:], "=")
	return name == "" || name == "help" || findFlag(name, s.tree.globals, own) != nil
}

func (s *sorter) unknownFlag(word, name string) error {
	var own []cli.Flag
	if s.verb != nil {
		own = s.verb.Flags
	}
	flag, _, _ := strings.Cut(word, "=")
	err := &UsageError{
		Text: "unknown flag " + flag, Nearest: node.Nearest("--"+name, flagWords(own, s.tree.globals)),
		Usage: "mero [flags] GROUP VERB [flags] [args]", Help: "mero --help",
	}
	if s.verb == nil {
		// The right flag in the wrong place is worth its own words.
		for _, g := range s.tree.groups {
			for _, v := range g.Verbs {
				if findFlag(name, v.Flags) != nil && err.Nearest == "" {
					err.Text += " here; a verb's own flags stand after the verb"
					err.Nearest = "mero " + v.Path() + " " + flag
					return err
				}
			}
		}
		return err
	}
	err.Text += " for mero " + s.verb.Path()
	err.Usage, err.Help = s.verb.Usage(), "mero "+s.verb.Path()+" --help"
	return err
}

func (s *sorter) usage(text string) error {
	err := &UsageError{Text: text, Usage: "mero [flags] GROUP VERB [flags] [args]", Help: "mero --help"}
	if s.verb != nil {
		err.Usage, err.Help = s.verb.Usage(), "mero "+s.verb.Path()+" --help"
	}
	return err
}
