package replica

import (
	"maps"
	"slices"
	"time"
)

// maxGraphs is how many deltas the graphs in memory may have together: about 150 MB.
// One that is in use is kept, however large.
const maxGraphs = 1 << 20

// trim drops graphs from memory, the longest unused first, until the rest have at
// most so many deltas. Those of contexts at work are neither counted nor dropped.
func (s *Set) trim(most int) {
	type graph struct {
		of     *replica
		deltas int
		used   time.Time
	}
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.replicas))
	s.mu.Unlock()
	total := 0
	var list []graph
	for _, r := range all {
		r.mu.Lock()
		if !r.led && r.history != nil {
			list = append(list, graph{r, r.history.Graph.Len(), r.used})
			total += r.history.Graph.Len()
		}
		r.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b graph) int { return a.used.Compare(b.used) })
	for _, g := range list {
		if total <= most {
			return
		}
		total -= g.deltas
		g.of.mu.Lock()
		if !g.of.led {
			g.of.history = nil
		}
		g.of.mu.Unlock()
	}
}
