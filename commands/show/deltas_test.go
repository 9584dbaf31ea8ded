package show_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/commands/show"
	"mero/node/api"
)

// rowsOf makes deltas of "child: parent parent, child: …", the newest first.
func rowsOf(text string) []api.DeltaRow {
	id := func(name string) (h api.Hash) {
		h[0] = 200 // so that all have eight letters before they differ
		copy(h[2:], name)
		return h
	}
	var rows []api.DeltaRow
	for part := range strings.SplitSeq(text, ",") {
		name, parents, _ := strings.Cut(strings.TrimSpace(part), ":")
		r := api.DeltaRow{ID: id(name), Fate: api.FateFolded, Parents: []api.Hash{}}
		for parent := range strings.FieldsSeq(parents) {
			missing, ok := strings.CutPrefix(parent, "!")
			if ok {
				r.Missing = append(r.Missing, id(missing))
			}
			r.Parents = append(r.Parents, id(missing))
		}
		rows = append(rows, r)
	}
	return rows
}

// drawn is the tree of deltas, ids abbreviated, without the summary.
func drawn(rows []api.DeltaRow, flat bool) string {
	var b strings.Builder
	d := &show.Deltas{Printer: show.Printer{W: &b, Short: true}, Flat: flat}
	d.Page(&api.DagPage{Deltas: rows})
	return b.String()
}

// lanes is a drawing without its words.
func lanes(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		signs := strings.FieldsFunc(line, func(r rune) bool { return r > ' ' && r < 0x2000 })
		if len(signs) == 0 {
			continue
		}
		out = append(out, strings.TrimRight(signs[0], " \n"))
	}
	return strings.Join(out, "\n")
}

func TestTree(t *testing.T) {
	for name, tt := range map[string]struct{ rows, want string }{
		"a line": {"c: b, b: a, a:", "●\n●\n●"},
		"two heads": {"c: a, b: a, a:", `
●
│ ●
├─╯
●`},
		"a merge": {"d: b c, c: a, b: a, a:", `
●
├─╮
│ ●
● │
├─╯
●`},
		"a merge into a branch that is there": {"e: c, d: b c, c: a, b: a, a:", `
●
│ ●
├─┤
● │
│ ●
├─╯
●`},
		"three heads and their merge": {"e: b c d, d: a, c: a, b: a, a:", `
●
├─┬─╮
│ │ ●
│ ● │
● │ │
├─┴─╯
●`},
		"a branch crosses another": {"f: c d, e: b, d: b, c: a, b: a, a:", `
●
├─╮
│ │ ●
│ ● │
● │ │
│ ├─╯
│ ●
├─╯
●`},
		"missing parents lead nowhere": {"c: !x, b: a !y, a:", "●\n●\n●"},
		"a free lane is taken again":   {"e: b, d: !x, c: b, b: a, a:", "●\n│ ●\n│ ●\n├─╯\n●\n●"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), lanes(drawn(rowsOf(tt.rows), false))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTreeIsNarrow: any number of branches fits on a line.
func TestTreeIsNarrow(t *testing.T) {
	var parts, heads []string
	for i := range 300 {
		name := fmt.Sprint("h", i)
		heads = append(heads, name)
		parts = append(parts, name+": a")
	}
	parts = append([]string{"m: " + strings.Join(heads, " ")}, append(parts, "a:")...)
	for line := range strings.Lines(drawn(rowsOf(strings.Join(parts, ", ")), false)) {
		if n := len([]rune(line)); n > 110 {
			t.Fatalf("a line of %d characters: %s", n, line)
		}
	}
}

// TestTreeWords: what a person is told of a delta, and that a guest's text cannot
// write over it.
func TestTreeWords(t *testing.T) {
	at, events := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 2
	rows := rowsOf("b: a, a: !x")
	rows[0].Fate, rows[0].Reason, rows[0].Kind, rows[0].Seq, rows[0].Size = api.FateVoid, "it said \x1b[2J\nno", "state", 7, 2048
	rows[0].Head, rows[0].Forked, rows[0].Children, rows[0].Events = true, true, 2, &events
	rows[1].Fate, rows[1].WaitsFor, rows[1].Since, rows[1].Reason, rows[1].Problem = api.FateWaiting, "parents", &at, "x is missing", "bytes are damaged"
	rows[0].Update = &api.UpdatePayload{Package: "notes", Version: "2.0.0", MigrateMethod: "small\x1b[m"}
	rows[1].Parents, rows[1].Merge = append(rows[1].Parents, rows[1].Parents[0]), true
	for _, flat := range []bool{false, true} {
		got := drawn(rows, flat)
		for _, want := range []string{
			"✗ ", `#7  state  notes 2.0.0  migration small\x1b[m  2.0 KiB  2 events  head  2 children  forked`, `void: it said \x1b[2J\nno`,
			"! ", "merges 2", "damaged: bytes are damaged", "waiting for parents since ", ": x is missing",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("flat %v: no %q in\n%s", flat, want, got)
			}
		}
		if strings.ContainsAny(got, "\x1b") {
			t.Errorf("flat %v: %q", flat, got)
		}
		if strings.Contains(got, "missing: ") != flat {
			t.Errorf("flat %v: missing parents in\n%s", flat, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain ● text": "plain ● text", "a\nb\tc": `a\nb\tc`, "\x1b[31m": `\x1b[31m`, "\u202e": `\u202e`, "\xff": `\ufffd`, `back\slash`: `back\slash`,
	} {
		if got := show.Printable(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
