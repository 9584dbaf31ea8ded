package show

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"mero/node/api"
)

// Table prints rows of cells under a head. w remembers what goes wrong.
func Table(w io.Writer, head []string, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{head}, rows...) {
		_, _ = fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	_ = tw.Flush() // w remembers the error
}

// Pairs prints names and values under each other; empty values are left out.
func Pairs(w io.Writer, cells ...string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(cells); i += 2 {
		if cells[i+1] != "" {
			_, _ = fmt.Fprintf(tw, "%s\t%s\n", cells[i], cells[i+1])
		}
	}
	_ = tw.Flush() // w remembers the error
}

// Printer prints to W, which remembers what goes wrong.
type Printer struct {
	W io.Writer
	// Short abbreviates ids.
	Short bool
}

// ID is how an id is shown.
func (p Printer) ID(id fmt.Stringer) string { return ID(id, p.Short) }

// IDs puts ids under each other, in the second column of Pairs.
func (p Printer) IDs(ids []api.Hash) string {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, p.ID(id))
	}
	return strings.Join(words, "\n\t")
}

// ID is how an id is shown, abbreviated or not.
func ID(id fmt.Stringer, short bool) string {
	text := id.String()
	if short && len(text) > 10 {
		return text[:8] + "…"
	}
	return text
}

// Bytes is a size.
func Bytes(n uint64) string {
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

// Time is a moment, where the reader is; empty: none.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.RFC3339)
}

// Count is a number of things, in words.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Line prints one line. w remembers what goes wrong.
func Line(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

// Printable makes a text of somebody else safe for a terminal and one line: what does
// not print, control sequences among it, is escaped.
func Printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
