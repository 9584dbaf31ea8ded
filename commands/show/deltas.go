package show

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"mero/commands/lanes"
	"mero/node/api"
)

// Deltas shows deltas as lines with the branches of the graph on the left. It is
// given them page by page, each delta before its parents.
type Deltas struct {
	Printer

	// Flat: not all deltas come, so there are no branches to draw.
	Flat  bool
	lanes lanes.Lanes[api.Hash]
}

// Page prints the deltas of a page, and its summary.
func (d *Deltas) Page(page *api.DagPage) {
	w := d.W
	if page.Summary != nil {
		d.summary(w, page)
	}
	for i := range page.Deltas {
		d.row(w, &page.Deltas[i])
	}
	if len(page.Refusals) > 0 {
		Line(w, "\nrefused since the node started, the last %d:", len(page.Refusals))
		for _, r := range page.Refusals {
			words := []string{Time(r.At)}
			if r.ID != nil {
				words = append(words, d.ID(*r.ID))
			}
			if r.Author != nil {
				words = append(words, "of "+d.ID(*r.Author))
			}
			Line(w, "%s: %s", strings.Join(words, " "), Printable(r.Reason))
		}
	}
}

func (d *Deltas) summary(w io.Writer, page *api.DagPage) {
	s := page.Summary
	waiting := fmt.Sprintf("%d waiting", s.Waiting)
	if s.Waiting > 0 {
		var kinds []string
		for kind, n := range s.WaitsFor {
			kinds = append(kinds, fmt.Sprintf("%d for %s", n, Printable(kind)))
		}
		slices.Sort(kinds)
		waiting += " (" + strings.Join(kinds, ", ") + ")"
	}
	heads := make([]string, 0, len(s.Heads))
	for _, head := range s.Heads[:min(len(s.Heads), lanes.Max)] {
		heads = append(heads, d.ID(head))
	}
	if more := len(s.Heads) - len(heads); more > 0 {
		heads = append(heads, fmt.Sprintf("and %d more", more))
	}
	Pairs(w, "context", d.ID(page.ContextID), "root", d.ID(s.RootHash),
		"deltas", fmt.Sprintf("● %d folded  ✗ %d void  ○ %s", s.Folded, s.Void, waiting),
		"heads", strings.Join(heads, " "), "authors", fmt.Sprintf("%d (%s)", s.Authors, Count(s.Writers, "writer")))
	for _, f := range s.ForkList {
		Line(w, "fork: %s used number %d for %s", d.ID(f.Author), f.Seq, Count(len(f.Deltas), "delta"))
	}
	if more := s.Forks - len(s.ForkList); more > 0 {
		Line(w, "and %s more", Count(more, "fork"))
	}
	if s.Matching > 0 {
		Line(w, "")
	}
}

// row draws one delta: what leads to it, itself, what it leads to.
func (d *Deltas) row(w io.Writer, r *api.DeltaRow) {
	if d.Flat {
		Line(w, "%s %s", mark(r), d.words(r))
		d.remarks(w, "  ", r)
		return
	}
	parents := slices.DeleteFunc(slices.Clone(r.Parents), func(id api.Hash) bool { return slices.Contains(r.Missing, id) })
	above, row, below, margin := d.lanes.Row(r.ID, parents, mark(r))
	if above != "" {
		Line(w, "%s", above)
	}
	Line(w, "%s %s", row, d.words(r))
	if below != "" {
		Line(w, "%s", below)
	}
	d.remarks(w, margin+"   ", r)
}

func mark(r *api.DeltaRow) string {
	switch {
	case r.Problem != "":
		return "!"
	case r.Fate == api.FateVoid:
		return "✗"
	case r.Fate == api.FateWaiting:
		return "○"
	}
	return "●"
}

// words are what the line of a delta says.
func (d *Deltas) words(r *api.DeltaRow) string {
	words := []string{d.ID(r.ID), r.Time.Local().Format(time.RFC3339)}
	if r.Kind != "" {
		words = append(words, d.ID(r.Author), "#"+strconv.FormatUint(r.Seq, 10), r.Kind)
	}
	if u := r.Update; u != nil {
		words = append(words, Printable(u.Package+" "+u.Version))
		if u.MigrateMethod != "" {
			words = append(words, "migration "+Printable(u.MigrateMethod))
		}
	}
	words = append(words, Bytes(uint64(r.Size)))
	if r.Events != nil && *r.Events > 0 {
		words = append(words, Count(*r.Events, "event"))
	}
	if r.Head {
		words = append(words, "head")
	}
	if r.Merge {
		words = append(words, fmt.Sprintf("merges %d", len(r.Parents)))
	}
	if r.Children > 1 {
		words = append(words, fmt.Sprintf("%d children", r.Children))
	}
	if r.Forked {
		words = append(words, "forked")
	}
	return strings.Join(words, "  ")
}

// remarks explain a delta that is not simply folded.
func (d *Deltas) remarks(w io.Writer, indent string, r *api.DeltaRow) {
	if r.Problem != "" {
		Line(w, "%sdamaged: %s", indent, Printable(r.Problem))
	}
	switch r.Fate {
	case api.FateVoid:
		Line(w, "%svoid: %s", indent, Printable(r.Reason))
	case api.FateWaiting:
		Line(w, "%s%s", indent, waitText(r))
		if !d.Flat {
			return
		}
		for _, id := range r.Missing {
			Line(w, "%s  missing: %s", indent, d.ID(id))
		}
	}
}

// waitText says what a delta waits for, and since when.
func waitText(r *api.DeltaRow) string {
	text := "waiting for " + Printable(r.WaitsFor)
	if r.Since != nil {
		text += " since " + Time(*r.Since)
	}
	return text + ": " + Printable(r.Reason)
}
