package line

import (
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"mero/commands/show"
)

// help prints what is known of a command; it is text in either mode.
func (e *Env) help(t *Tree, path []string) error {
	w := e.Writer()
	v := t.find(path)
	switch {
	case v != nil:
		verbHelp(w, t, v)
	case len(path) == 1:
		groupHelp(w, t.group(path[0]))
	default:
		rootHelp(w, t)
	}
	return e.failed
}

func rootHelp(w io.Writer, t *Tree) {
	show.Line(w, "mero runs applications in contexts that several nodes share.\n")
	show.Line(w, "usage: mero [flags] GROUP VERB [flags] [args]\n")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range t.groups {
		if g.Name != "" {
			show.Line(tw, "  %s\t%s\t(%s)", g.Name, g.Summary, strings.Join(g.words(), ", "))
		}
	}
	for _, v := range t.group("").Verbs {
		show.Line(tw, "  %s\t%s\t", v.Name, v.Summary)
	}
	_ = tw.Flush() // w remembers the error
	show.Line(w, "\nflags, anywhere on the line:")
	flagHelp(w, t.globals)
	show.Line(w, "\nA first node:\n  mero node run &\n  mero app install example:kv\n\nA network of nodes to try things on: mero devnet\n\n`mero guide` is the handbook; `mero GROUP --help` and `mero GROUP VERB --help` say more.")
}

func groupHelp(w io.Writer, g *Group) {
	show.Line(w, "mero %s: %s\n", g.Name, g.Summary)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range g.Verbs {
		show.Line(tw, "  %s\t%s", strings.TrimSpace(g.Name+" "+v.Name+" "+v.Args), v.Summary)
	}
	_ = tw.Flush() // w remembers the error
	show.Line(w, "\n`mero %s VERB --help` says more.", g.Name)
}

func verbHelp(w io.Writer, t *Tree, v *Verb) {
	show.Line(w, "mero %s: %s\n", v.Path(), v.Summary)
	show.Line(w, "usage: %s", v.Usage())
	if v.Long != "" {
		show.Line(w, "\n%s", v.Long)
	}
	show.Line(w, "\nexample:\n  %s", v.Example)
	if len(v.Flags) > 0 {
		show.Line(w, "\nflags:")
		flagHelp(w, v.Flags)
	}
	show.Line(w, "\nflags of every command:")
	flagHelp(w, t.globals)
}

func flagHelp(w io.Writer, flags []cli.Flag) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		value, usage := unquoteUsage(doc.GetUsage())
		names := make([]string, 0, len(f.Names()))
		for _, name := range f.Names() {
			names = append(names, dashed(name))
		}
		head := strings.Join(names, ", ")
		if TakesValue(f) {
			head += " " + value
		}
		if vars := doc.GetEnvVars(); len(vars) > 0 {
			usage += " [" + strings.Join(vars, ", ") + "]"
		}
		if text := doc.GetDefaultText(); TakesValue(f) && text != "" && text != `""` {
			usage += " (default: " + strings.Trim(text, `"`) + ")"
		}
		show.Line(tw, "  %s\t%s", head, usage)
	}
	_ = tw.Flush() // w remembers the error
}

// unquoteUsage takes the name of the value, in backquotes, out of a usage text.
func unquoteUsage(usage string) (value, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "VALUE", usage
	}
	value, after, _ := strings.Cut(rest, "`")
	return value, before + value + after
}
