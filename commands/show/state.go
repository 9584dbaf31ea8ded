package show

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mero/node/api"
)

// kindWord is a kind of collection.
func kindWord(kind string, once bool) string {
	if once {
		return kind + ", written once"
	}
	return kind
}

// State prints a state as an indented tree: each entry with its value, who wrote it
// and when.
func (p Printer) State(page *api.StatePage) {
	asOf := ""
	if page.AsOf != nil {
		asOf = Time(page.AsOf.Time) + ", delta " + p.ID(page.AsOf.ID)
	}
	path := make([]string, 0, len(page.Path))
	for _, word := range page.Path {
		path = append(path, Printable(word))
	}
	Pairs(
		p.W, "context", p.ID(page.ContextID), "application", p.ID(page.ApplicationID), "root", p.ID(page.RootHash), "as of", asOf,
		"path", strings.Join(path, " "),
	)
	Line(p.W, "")
	p.stateNode("", &page.State, page.Path)
}

// stateNode prints a node and what is in it; path leads to it.
func (p Printer) stateNode(indent string, n *api.StateNode, path []string) {
	top := n.Key == ""
	if head := p.stateHead(n); !top || n.Kind != api.StateRoot && n.Kind != api.StateKeys {
		Line(p.W, "%s%s", indent, head)
		indent += "  "
	} else if len(n.Entries) == 0 {
		Line(p.W, "nothing")
	}
	for i := range n.Entries {
		p.stateNode(indent, &n.Entries[i], append(slices.Clone(path), n.Entries[i].Key))
	}
	if n.More {
		more := "and more"
		if n.Length != nil && n.Next == "" {
			more = "there is more"
		}
		Line(p.W, "%s… %s: %s", indent, more, stateCommand(path, n.Next))
	}
}

// stateCommand is what to type to see the rest of a node.
func stateCommand(path []string, after string) string {
	words := []string{"mero context state CONTEXT"}
	for _, word := range path {
		words = append(words, shellWord(Printable(word)))
	}
	if after != "" {
		words = append(words, "--after", shellWord(Printable(after)))
	}
	return strings.Join(words, " ")
}

// stateHead is the line of a node.
func (p Printer) stateHead(n *api.StateNode) string {
	var b strings.Builder
	if n.Key != "" {
		b.WriteString(Printable(n.Key))
		if n.Kind == api.StateValue && n.Value != nil {
			b.WriteString(" = ")
		} else if n.Kind != api.StateValue {
			b.WriteString(": ")
		}
	}
	if n.Kind != api.StateValue {
		b.WriteString(kindWord(n.Kind, n.Once))
		if n.Length != nil {
			b.WriteString(", " + strconv.FormatInt(*n.Length, 10))
		}
	}
	if value := stateValue(n); value != "" {
		if n.Kind != api.StateValue {
			b.WriteString(" = ")
		}
		b.WriteString(value)
	}
	if w := n.Written; w != nil {
		b.WriteString("  " + p.write(w))
	} else if w := n.Made; w != nil {
		b.WriteString("  made " + p.write(w))
	}
	return b.String()
}

// maxShown is how much of a value is shown in a tree, in characters.
const maxShown = 200

func stateValue(n *api.StateNode) string {
	switch {
	case n.Cut && n.Value != nil:
		return Bytes(uint64(n.Value.Size))
	case n.Cut:
		return "(large: ask for it by its path)"
	case n.Text != nil:
		return cut(strconv.Quote(*n.Text), n.Key != "")
	case n.Value != nil:
		return cut(Content(n.Value), n.Key != "")
	case n.Kind == api.StateRegister:
		return "(not set)"
	}
	return ""
}

// cut shortens a value that is one of many.
func cut(text string, is bool) string {
	if !is || utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown]) + "…"
}

func (p Printer) write(w *api.StateWrite) string {
	who := "somebody"
	if w.Author != nil {
		who = p.ID(*w.Author)
	}
	text := "by " + who + " " + Time(w.Time)
	if w.ID == nil {
		return text + " (the delta is not here)"
	}
	return text
}

// shellWord quotes a word for a shell, if need be.
func shellWord(word string) string {
	safe := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_.:/", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !safe(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// DryRun prints what a call would do.
func (p Printer) DryRun(r *api.CallResponse) {
	output := string(r.Output)
	if output == "" {
		output = "null"
	}
	Line(p.W, "%s", output)
	changes := Count(len(r.Changes), "state change")
	if r.Operations != nil {
		changes = Count(len(r.Operations.List)+r.Operations.More, "operation")
	}
	Line(p.W, "%s, %s; nothing was committed", changes, Count(len(r.Events), "event"))
	if r.Operations != nil {
		p.operations(r.Operations)
	} else if len(r.Changes) > 0 {
		rows := make([][]string, 0, len(r.Changes))
		for _, c := range r.Changes {
			rows = append(rows, []string{bytesShown(c.Key), valueShown(c.Old), valueShown(c.New)})
		}
		Table(p.W, []string{"KEY", "BEFORE", "AFTER"}, rows)
	}
	for _, ev := range r.Events {
		Line(p.W, "event %s %s", Printable(ev.Kind), bytesShown(ev.Data))
	}
	for _, text := range r.Logs {
		Line(p.W, "log %s", Printable(text))
	}
}

func valueShown(v *api.Bytes) string {
	if v == nil {
		return "(none)"
	}
	return bytesShown(*v)
}

// bytesShown shows text as it is, other bytes in hex, and not more than fits a
// line; json mode has everything.
func bytesShown(b api.Bytes) string {
	const most = 48
	cut := ""
	if len(b) > most {
		b, cut = b[:most], "…"
	}
	printable := utf8.Valid(b) && strings.IndexFunc(string(b), func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
	if printable && len(b) > 0 {
		return string(b) + cut
	}
	return fmt.Sprintf("0x%x%s", []byte(b), cut)
}
