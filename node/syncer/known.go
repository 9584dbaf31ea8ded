package syncer

import (
	"cmp"
	"slices"

	"mero/node/delta"
	"mero/node/replica"
	"mero/node/wire"
)

// toWire is what a replica holds, as a message.
func toWire(k replica.Known) wire.Known {
	out := wire.Known{
		Heads: wire.Sum(k.Heads), Root: k.Root, Deltas: k.Deltas, Waiting: k.Waiting,
		Missing: k.Missing[:min(len(k.Missing), wire.MaxIDs)],
		Tips:    make([]wire.Tip, 0, min(len(k.Tips), wire.MaxTips)),
	}
	for _, t := range k.Tips[:min(len(k.Tips), wire.MaxTips)] {
		out.Tips = append(out.Tips, wire.Tip{Author: t.Writer.Author, Incarnation: t.Writer.Incarnation, Seq: t.Seq, ID: t.ID})
	}
	return out
}

// fromWire is a vector as the graph takes it. The order is the sender's, so it is put
// right here.
func fromWire(tips []wire.Tip) []replica.Tip {
	out := make([]replica.Tip, 0, len(tips))
	for _, t := range tips {
		out = append(out, replica.Tip{Writer: delta.Writer{Author: t.Author, Incarnation: t.Incarnation}, Seq: t.Seq, ID: t.ID})
	}
	slices.SortFunc(out, func(a, b replica.Tip) int {
		return cmp.Or(a.Writer.Compare(b.Writer), cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID))
	})
	return slices.Compact(out)
}

// isSame reports whether two replicas hold the same deltas and want none.
func isSame(a, b *wire.Known) bool {
	return len(a.Missing) == 0 && len(b.Missing) == 0 && slices.Equal(a.Tips, b.Tips)
}

// isEqual reports whether two replicas have the same state: equal folded heads and
// roots.
func isEqual(a, b *wire.Known) bool { return a.Heads == b.Heads && a.Root == b.Root }

// isDiverged is what cannot happen by design (R9).
func isDiverged(a, b *wire.Known) bool { return a.Heads == b.Heads && a.Root != b.Root }

// moved reports whether a replica holds or wants something else than before.
func moved(before, after *wire.Known) bool {
	return !slices.Equal(before.Tips, after.Tips) || !slices.Equal(before.Missing, after.Missing)
}

// compareVectors counts what each of two vectors has that the other lacks.
func compareVectors(ours, theirs []wire.Tip, most int) (writers []WriterDifference, oursOnly, theirsOnly uint64) {
	type side struct {
		last uint64
		ids  []delta.ID
	}
	gather := func(tips []wire.Tip) map[delta.Writer]side {
		out := make(map[delta.Writer]side, len(tips))
		for _, t := range tips {
			w := delta.Writer{Author: t.Author, Incarnation: t.Incarnation}
			sd := out[w]
			sd.last = max(sd.last, t.Seq)
			sd.ids = append(sd.ids, t.ID)
			out[w] = sd
		}
		return out
	}
	a, b := gather(ours), gather(theirs)
	all := make(map[delta.Writer]bool, len(a)+len(b))
	for w := range a {
		all[w] = true
	}
	for w := range b {
		all[w] = true
	}
	for w := range all {
		x, y := a[w], b[w]
		slices.SortFunc(x.ids, delta.ID.Compare)
		slices.SortFunc(y.ids, delta.ID.Compare)
		if slices.Equal(x.ids, y.ids) {
			continue
		}
		d := WriterDifference{Writer: w, Ours: x.last, Theirs: y.last}
		switch {
		case x.last > y.last:
			oursOnly += x.last - y.last
		case y.last > x.last:
			theirsOnly += y.last - x.last
		default:
			oursOnly++
			theirsOnly++
		}
		d.Forked = x.last == y.last || len(x.ids) > 1 || len(y.ids) > 1
		writers = append(writers, d)
	}
	slices.SortFunc(writers, func(p, q WriterDifference) int { return p.Writer.Compare(q.Writer) })
	return writers[:min(len(writers), most)], oursOnly, theirsOnly
}
