// Package lanes draws the branches of a graph beside a list of its nodes, as text. It
// is pure.
package lanes

import (
	"slices"
	"strings"
)

// Max is how many branches are drawn beside each other; what goes on to the
// right of them is hidden behind an ellipsis.
const Max = 16

// Lanes are the branches of a graph whose nodes are given one by one, each before its
// parents. The zero value has none.
type Lanes[ID comparable] struct {
	// to is the node that each lane leads to; a nil one is free.
	to []*ID
}

// Row draws a node with its sign: the line above it, where lanes come together (empty
// if none do), its own line, the line below, where lanes part (empty too), and what
// stands left of remarks about it.
func (l *Lanes[ID]) Row(id ID, parents []ID, sign string) (above, row, below, margin string) {
	col, joining := l.take(id)
	if len(joining) > 0 {
		above = l.links(col, joining, func(int) string { return "╰┴╯" })
		for _, at := range joining {
			l.to[at] = nil
		}
	}
	row = l.draw(func(at int) string {
		if at == col {
			return sign
		}
		return l.lane(at)
	})
	l.to[col] = nil
	if leading, fresh := l.lead(col, parents); len(leading) > 0 {
		below = l.links(col, leading, func(at int) string {
			if slices.Contains(fresh, at) {
				return "╭┬╮"
			}
			return "├┼┤"
		})
	}
	l.trim()
	return above, row, below, l.draw(l.lane)
}

// lane is the sign of a lane that goes on, or of a free one.
func (l *Lanes[ID]) lane(at int) string {
	if l.to[at] != nil {
		return "│"
	}
	return " "
}

// take finds the lane of a node, makes one if none leads to it, and gives the
// others that lead to it.
func (l *Lanes[ID]) take(id ID) (col int, others []int) {
	col = -1
	for at, to := range l.to {
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
		col = l.free()
		l.to[col] = &id
	}
	return col, others
}

func (l *Lanes[ID]) free() int {
	at := slices.Index(l.to, nil)
	if at < 0 {
		at = len(l.to)
		l.to = append(l.to, nil)
	}
	return at
}

// lead gives the parents of a node their lanes: the first one that of the node, the
// others that which leads there, or one of their own. It tells which the others have,
// and which of these are new.
func (l *Lanes[ID]) lead(col int, parents []ID) (others, fresh []int) {
	for i, parent := range parents {
		if i == 0 {
			l.to[col] = &parent
			continue
		}
		at := slices.IndexFunc(l.to, func(to *ID) bool { return to != nil && *to == parent })
		if at < 0 {
			at = l.free()
			l.to[at] = &parent
			fresh = append(fresh, at)
		}
		others = append(others, at)
	}
	return others, fresh
}

func (l *Lanes[ID]) trim() {
	for len(l.to) > 0 && l.to[len(l.to)-1] == nil {
		l.to = l.to[:len(l.to)-1]
	}
}

// draw writes a sign for each lane.
func (l *Lanes[ID]) draw(sign func(at int) string) string {
	var b strings.Builder
	for at := range l.to[:min(len(l.to), Max)] {
		if at > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(sign(at))
	}
	if len(l.to) > Max {
		b.WriteString(" …")
	}
	return strings.TrimRight(b.String(), " ")
}

// links draws the line between a node's lane and others. ends are the three signs
// of another lane: at the left end of the line, within it, at its right end.
func (l *Lanes[ID]) links(col int, others []int, ends func(at int) string) string {
	left, right := min(col, slices.Min(others)), max(col, slices.Max(others))
	var b strings.Builder
	for at := range l.to[:min(len(l.to), Max)] {
		if at > 0 {
			b.WriteString(map[bool]string{true: "─", false: " "}[left < at && at <= right])
		}
		switch {
		case at == col:
			b.WriteString(cross(at, left, right, "├┼┤"))
		case slices.Contains(others, at):
			b.WriteString(cross(at, left, right, ends(at)))
		default:
			b.WriteString(passed(left < at && at < right, l.to[at] != nil))
		}
	}
	if len(l.to) > Max {
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
