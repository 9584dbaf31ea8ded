package commands

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

// drawing shows deltas as lines with the branches of the graph on the left. It is
// given them page by page, each delta before its parents.
type drawing struct {
	e *env
	// flat: not all deltas come, so there are no branches to draw.
	flat  bool
	lanes lanes.Lanes[api.Hash]
}

func (d *drawing) page(page *api.DagPage) {
	w := sticky{d.e}
	if page.Summary != nil {
		d.summary(w, page)
	}
	for i := range page.Deltas {
		d.row(w, &page.Deltas[i])
	}
	if len(page.Refusals) > 0 {
		line(w, "\nrefused since the node started, the last %d:", len(page.Refusals))
		for _, r := range page.Refusals {
			words := []string{timeText(r.At)}
			if r.ID != nil {
				words = append(words, d.e.id(*r.ID))
			}
			if r.Author != nil {
				words = append(words, "of "+d.e.id(*r.Author))
			}
			line(w, "%s: %s", strings.Join(words, " "), printable(r.Reason))
		}
	}
}

func (d *drawing) summary(w io.Writer, page *api.DagPage) {
	s := page.Summary
	waiting := fmt.Sprintf("%d waiting", s.Waiting)
	if s.Waiting > 0 {
		var kinds []string
		for kind, n := range s.WaitsFor {
			kinds = append(kinds, fmt.Sprintf("%d for %s", n, printable(kind)))
		}
		slices.Sort(kinds)
		waiting += " (" + strings.Join(kinds, ", ") + ")"
	}
	heads := make([]string, 0, len(s.Heads))
	for _, head := range s.Heads[:min(len(s.Heads), lanes.Max)] {
		heads = append(heads, d.e.id(head))
	}
	if more := len(s.Heads) - len(heads); more > 0 {
		heads = append(heads, fmt.Sprintf("and %d more", more))
	}
	pairs(w, "context", d.e.id(page.ContextID), "root", d.e.id(s.RootHash),
		"deltas", fmt.Sprintf("● %d folded  ✗ %d void  ○ %s", s.Folded, s.Void, waiting),
		"heads", strings.Join(heads, " "), "authors", fmt.Sprintf("%d (%s)", s.Authors, count(s.Writers, "writer")))
	for _, f := range s.ForkList {
		line(w, "fork: %s used number %d for %s", d.e.id(f.Author), f.Seq, count(len(f.Deltas), "delta"))
	}
	if more := s.Forks - len(s.ForkList); more > 0 {
		line(w, "and %s more", count(more, "fork"))
	}
	if s.Matching > 0 {
		line(w, "")
	}
}

// row draws one delta: what leads to it, itself, what it leads to.
func (d *drawing) row(w io.Writer, r *api.DeltaRow) {
	if d.flat {
		line(w, "%s %s", mark(r), d.words(r))
		d.remarks(w, "  ", r)
		return
	}
	parents := slices.DeleteFunc(slices.Clone(r.Parents), func(id api.Hash) bool { return slices.Contains(r.Missing, id) })
	above, row, below, margin := d.lanes.Row(r.ID, parents, mark(r))
	if above != "" {
		line(w, "%s", above)
	}
	line(w, "%s %s", row, d.words(r))
	if below != "" {
		line(w, "%s", below)
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
func (d *drawing) words(r *api.DeltaRow) string {
	words := []string{d.e.id(r.ID), r.Time.Local().Format(time.RFC3339)}
	if r.Kind != "" {
		words = append(words, d.e.id(r.Author), "#"+strconv.FormatUint(r.Seq, 10), r.Kind)
	}
	words = append(words, bytesText(uint64(r.Size)))
	if r.Events != nil && *r.Events > 0 {
		words = append(words, count(*r.Events, "event"))
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
func (d *drawing) remarks(w io.Writer, indent string, r *api.DeltaRow) {
	if r.Problem != "" {
		line(w, "%sdamaged: %s", indent, printable(r.Problem))
	}
	switch r.Fate {
	case api.FateVoid:
		line(w, "%svoid: %s", indent, printable(r.Reason))
	case api.FateWaiting:
		line(w, "%s%s", indent, waitText(r))
		if !d.flat {
			return
		}
		for _, id := range r.Missing {
			line(w, "%s  missing: %s", indent, d.e.id(id))
		}
	}
}

// waitText says what a delta waits for, and since when.
func waitText(r *api.DeltaRow) string {
	text := "waiting for " + printable(r.WaitsFor)
	if r.Since != nil {
		text += " since " + timeText(*r.Since)
	}
	return text + ": " + printable(r.Reason)
}
