package commands

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"mero/node/api"
)

// maxLanes is how many branches are drawn beside each other; what goes on to the
// right of them is hidden behind an ellipsis.
const maxLanes = 16

// drawing shows deltas as lines with the branches of the graph on the left. It is
// given them page by page, each delta before its parents.
type drawing struct {
	e *env
	// flat: not all deltas come, so there are no branches to draw.
	flat bool
	// lanes are the branches: each waits for the delta that it leads to. A nil one is
	// free.
	lanes []*api.Hash
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
	for _, head := range s.Heads[:min(len(s.Heads), maxLanes)] {
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
	col, joining := d.take(r.ID)
	if len(joining) > 0 {
		line(w, "%s", d.links(col, joining, func(int) string { return "╰┴╯" }))
		for _, at := range joining {
			d.lanes[at] = nil
		}
	}
	line(w, "%s %s", d.draw(func(at int) string {
		switch {
		case at == col:
			return mark(r)
		case d.lanes[at] != nil:
			return "│"
		}
		return " "
	}), d.words(r))
	d.lanes[col] = nil
	if leading, fresh := d.lead(col, r); len(leading) > 0 {
		line(w, "%s", d.links(col, leading, func(at int) string {
			if slices.Contains(fresh, at) {
				return "╭┬╮"
			}
			return "├┼┤"
		}))
	}
	d.trim()
	d.remarks(w, d.draw(func(at int) string {
		if d.lanes[at] != nil {
			return "│"
		}
		return " "
	})+"   ", r)
}

// take finds the lane of a delta, makes one if none leads to it, and gives the
// others that lead to it.
func (d *drawing) take(id api.Hash) (col int, others []int) {
	col = -1
	for at, to := range d.lanes {
		if to == nil || *to != id {
			continue
		}
		if col < 0 {
			col = at
		} else {
			others = append(others, at)
		}
	}
	if col < 0 {
		col = d.free()
		d.lanes[col] = &id
	}
	return col, others
}

func (d *drawing) free() int {
	at := slices.Index(d.lanes, nil)
	if at < 0 {
		at = len(d.lanes)
		d.lanes = append(d.lanes, nil)
	}
	return at
}

// lead gives the parents of a delta their lanes: the first one that of the delta,
// the others that which leads there, or one of their own. It tells which the others
// have, and which of these are new. What is missing is led to by nothing.
func (d *drawing) lead(col int, r *api.DeltaRow) (others, fresh []int) {
	first := true
	for _, parent := range r.Parents {
		if slices.Contains(r.Missing, parent) {
			continue
		}
		if first {
			d.lanes[col], first = &parent, false
			continue
		}
		at := slices.IndexFunc(d.lanes, func(to *api.Hash) bool { return to != nil && *to == parent })
		if at < 0 {
			at = d.free()
			d.lanes[at] = &parent
			fresh = append(fresh, at)
		}
		others = append(others, at)
	}
	return others, fresh
}

func (d *drawing) trim() {
	for len(d.lanes) > 0 && d.lanes[len(d.lanes)-1] == nil {
		d.lanes = d.lanes[:len(d.lanes)-1]
	}
}

// draw writes a sign for each lane.
func (d *drawing) draw(sign func(at int) string) string {
	var b strings.Builder
	for at := range d.lanes[:min(len(d.lanes), maxLanes)] {
		if at > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(sign(at))
	}
	if len(d.lanes) > maxLanes {
		b.WriteString(" …")
	}
	return strings.TrimRight(b.String(), " ")
}

// links draws the line between a delta's lane and others. ends are the three signs
// of another lane: at the left end of the line, within it, at its right end.
func (d *drawing) links(col int, others []int, ends func(at int) string) string {
	left, right := min(col, slices.Min(others)), max(col, slices.Max(others))
	var b strings.Builder
	for at := range d.lanes[:min(len(d.lanes), maxLanes)] {
		if at > 0 {
			b.WriteString(map[bool]string{true: "─", false: " "}[left < at && at <= right])
		}
		switch {
		case at == col:
			b.WriteString(cross(at, left, right, "├┼┤"))
		case slices.Contains(others, at):
			b.WriteString(cross(at, left, right, ends(at)))
		default:
			b.WriteString(passed(left < at && at < right, d.lanes[at] != nil))
		}
	}
	if len(d.lanes) > maxLanes {
		b.WriteString(" …")
	}
	return strings.TrimRight(b.String(), " ")
}

// cross chooses among the signs for the left end, the middle and the right end.
func cross(at, left, right int, signs string) string {
	three := []rune(signs)
	switch at {
	case left:
		return string(three[0])
	case right:
		return string(three[2])
	}
	return string(three[1])
}

// passed is the sign of a lane that has nothing to do with the line.
func passed(within, active bool) string {
	switch {
	case within && active:
		return "┼"
	case within:
		return "─"
	case active:
		return "│"
	}
	return " "
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
