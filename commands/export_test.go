package commands

import (
	"strings"

	"github.com/urfave/cli/v2"

	"mero/node/api"
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

// Draw is the tree of deltas, ids abbreviated, without the summary.
func Draw(rows []api.DeltaRow, flat bool) string {
	var b strings.Builder
	d := &drawing{e: &env{out: &b, short: true}, flat: flat}
	d.page(&api.DagPage{Deltas: rows})
	return b.String()
}

// Printable is what is printed of a text of somebody else.
var Printable = printable

// When reads a time of a flag.
var When = when
