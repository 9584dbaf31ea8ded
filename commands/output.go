package commands

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// list prints values: in json mode one object a line, else a table.
func list[T any](e *env, items []T, head []string, row func(T) []string) error {
	if e.json {
		for _, item := range items {
			if err := e.object(item, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if len(items) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(items))
	for _, item := range items {
		rows = append(rows, row(item))
	}
	table(sticky{e}, head, rows)
	return e.failed
}

func table(w io.Writer, head []string, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{head}, rows...) {
		_, _ = fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	_ = tw.Flush() // w remembers the error
}

// pairs prints names and values under each other; empty values are left out.
func pairs(w io.Writer, cells ...string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(cells); i += 2 {
		if cells[i+1] != "" {
			_, _ = fmt.Fprintf(tw, "%s\t%s\n", cells[i], cells[i+1])
		}
	}
	_ = tw.Flush() // w remembers the error
}

// id is how an id is shown to people.
func (e *env) id(id fmt.Stringer) string {
	text := id.String()
	if e.short && len(text) > 10 {
		return text[:8] + "…"
	}
	return text
}

func bytesText(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n), 0
	for size >= 1024 && unit < 5 {
		size /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", size, " KMGTP"[unit])
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.RFC3339)
}

// count is a number of things, in words.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
