package dag

import "mero/node/delta"

// Label is what SetLabel said of a delta; 0 if nothing, or if it is not connected.
func (g *Graph) Label(id delta.ID) uint32 {
	at, there := g.places.find(g.nodes, &id)
	if !there {
		return 0
	}
	return g.nodes[at].label
}

// SetLabel notes a number of the caller's beside a connected delta; 0 for none. The
// graph makes nothing of it. Other ids are passed over.
func (g *Graph) SetLabel(id delta.ID, label uint32) {
	if at, there := g.places.find(g.nodes, &id); there {
		g.nodes[at].label = label
	}
}
