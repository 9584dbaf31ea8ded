package commands

import (
	"github.com/urfave/cli/v2"

	"mero/commands/line"
)

// What the tests of package commands_test see of the inside.

// Verbs lists all of them.
func Verbs() []*line.Verb { return newTree().Verbs() }

// GlobalFlags are those of every command.
func GlobalFlags() []cli.Flag { return newTree().Globals() }

// Sort gives what cli/v2 would be given.
func Sort(args ...string) ([]string, error) { return newTree().Sort(args...) }
