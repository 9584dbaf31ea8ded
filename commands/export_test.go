package commands

import (
	"github.com/urfave/cli/v2"
)

// What the tests of package commands_test see of the inside.

// Verb describes one verb.
type Verb struct {
	Path, Usage, Summary, Long, Example string
	Flags                               []cli.Flag
}

// Verbs lists all of them.
func Verbs() []Verb {
	var out []Verb
	for _, g := range newTree().groups {
		for _, v := range g.verbs {
			out = append(out, Verb{v.path(), v.usage(), v.summary, v.long, v.example, v.flags})
		}
	}
	return out
}

// GlobalFlags are those of every command.
func GlobalFlags() []cli.Flag { return globalFlags() }

// TakesValue tells a flag with a value from one without.
func TakesValue(f cli.Flag) bool { return takesValue(f) }

// Sort gives what cli/v2 would be given.
func Sort(args ...string) ([]string, error) {
	line, _, err := sortArgs(newTree(), args)
	return line.list(), err
}

// When reads a time of a flag.
var When = when
