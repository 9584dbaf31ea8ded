package commands

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"
)

// verb is one command that does something: `mero app install`.
type verb struct {
	name    string
	args    string // as usage shows them: FILE|URL
	min     int    // fewest arguments
	max     int    // most arguments, -1 for any number
	summary string // one line, no full stop
	long    string // what the summary has no room for
	example string // a line that works as typed, once its words exist
	flags   []cli.Flag
	slow    bool // no timeout unless --timeout is given: data that moves
	daemon  bool // no timeout at all: MERO_TIMEOUT is not for a node
	run     func(ctx context.Context, e *env) error

	group string // set by tree
}

// path is the verb as typed: `app install`.
func (v *verb) path() string {
	if v.group == "" {
		return v.name
	}
	return v.group + " " + v.name
}

// usage is the one line that says how to type it.
func (v *verb) usage() string {
	line := "mero " + v.path()
	if len(v.flags) > 0 {
		line += " [flags]"
	}
	if v.args != "" {
		line += " " + v.args
	}
	return line
}

// group is a noun with its verbs; the one without a name holds `call` and the
// like, which stand alone.
type group struct {
	name, summary string
	verbs         []*verb
}

func (g *group) verb(name string) *verb {
	for _, v := range g.verbs {
		if v.name == name {
			return v
		}
	}
	return nil
}

// tree is the whole command line.
type tree struct {
	groups  []*group
	globals []cli.Flag
}

func newTree() *tree {
	t := &tree{
		globals: globalFlags(),
		groups: []*group{
			{"node", "run a node and look after it", []*verb{nodeInit(), nodeRun(), nodeStatus(), nodePeers(), nodeConfig()}},
			{"app", "the applications that a node can run", []*verb{appNew(), appBuild(), appInstall(), appList(), appGet(), appMethods(), appRemove()}},
			{"context", "instances of applications, with their state", []*verb{contextCreate(), contextList(), contextGet(), contextState(), contextUpdateApp(), contextVerify(), contextRebuild(), contextDelete()}},
			{"dag", "what contexts are made of: their deltas", []*verb{dagInspect(), dagVerify()}},
			{"identity", "the keys by which this node is a member", []*verb{identityNew(), identityList(), identityExport(), identityImport()}},
			{"alias", "names for ids", []*verb{aliasSet(), aliasGet(), aliasList(), aliasRemove()}},
			{"admin", "who may use a node", []*verb{adminToken(), adminKeys(), adminRevoke()}},
			{"", "", []*verb{callMethod(), benchmarks(), handbook(), completion(), version()}},
		},
	}
	for _, g := range t.groups {
		for _, v := range g.verbs {
			v.group = g.name
		}
	}
	return t
}

func (t *tree) group(name string) *group {
	for _, g := range t.groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

// find is the verb at a path, or nil.
func (t *tree) find(path []string) *verb {
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
func (t *tree) words() []string {
	var words []string
	for _, g := range t.groups {
		if g.name != "" {
			words = append(words, g.name)
		}
	}
	for _, v := range t.group("").verbs {
		words = append(words, v.name)
	}
	return words
}

func (g *group) words() []string {
	words := make([]string, 0, len(g.verbs))
	for _, v := range g.verbs {
		words = append(words, v.name)
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

func takesValue(f cli.Flag) bool {
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
