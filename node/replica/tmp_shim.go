package replica

import (
	"mero/node/artifact"
	"mero/node/dag"
	"mero/node/delta"
)

func headsWithout(g *dag.Graph, out map[delta.ID]struct{}) []delta.ID {
	has := map[delta.ID]bool{}
	var heads []delta.ID
	for id := range g.All() {
		if _, o := out[id]; o {
			continue
		}
		n, _ := g.Get(id)
		for _, p := range n.Parents {
			has[p] = true
		}
	}
	for id := range g.All() {
		if _, o := out[id]; !o && !has[id] {
			heads = append(heads, id)
		}
	}
	return heads
}

func checkArtifact(raw []byte, pinned uint16, limit uint64) (fits uint16, late bool) {
	for _, l := range artifact.Layouts(raw) {
		if pinned&(1<<l) == 0 {
			continue
		}
		fits |= 1 << l
		if latest, _ := artifact.Times(raw, l); latest > limit {
			late = true
		}
	}
	return fits, late
}
