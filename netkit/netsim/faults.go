package netsim

import "time"

// memory is how long a firewall lets answers through.
const memory = 30 * time.Second

// SetAll makes all links alike, those of spots that are named later too.
func (n *Network) SetAll(l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.normal = l
	for _, p := range n.paths {
		p.set(l)
	}
}

// SetLink sets the link from one spot to another. The other direction stays.
func (n *Network) SetLink(from, to Spot, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.path(from, to).set(l)
}

// SetBoth sets the links between two spots, both directions.
func (n *Network) SetBoth(a, b Spot, l Link) {
	n.SetLink(a, b, l)
	n.SetLink(b, a, l)
}

// SetAccess sets the line of a spot: a slow peer has 1 KB/s on it.
func (n *Network) SetAccess(at Spot, a Access) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.place(at)
	p.access, p.up, p.down = a, pipe{}, pipe{}
}

// Cut stops packets from one spot to another. The other direction stays.
func (n *Network) Cut(from, to Spot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]Spot{from, to}] = true
}

// CutBoth stops packets between two spots.
func (n *Network) CutBoth(a, b Spot) {
	n.Cut(a, b)
	n.Cut(b, a)
}

// Mend ends Cut between two spots, both directions.
func (n *Network) Mend(a, b Spot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, [2]Spot{a, b})
	delete(n.cut, [2]Spot{b, a})
}

// Partition stops packets between groups. Spots that are in none of them are a
// group together. It replaces an earlier partition; cuts stay.
func (n *Network) Partition(groups ...[]Spot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.group = map[Spot]int{}
	for i, spots := range groups {
		for _, spot := range spots {
			n.group[spot] = i + 1
		}
	}
}

// Heal ends Partition and every Cut.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.group = nil
	clear(n.cut)
}

// Unplug stops all packets from and to a spot until Plug, or until a node is made
// there anew: a node that is closed then dies without a word, as by kill -9.
func (n *Network) Unplug(at Spot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.place(at).unplugged = true
}

// Plug ends Unplug.
func (n *Network) Plug(at Spot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.place(at).unplugged = false
}

// Firewall puts a spot behind a firewall, or before it again: packets come in
// only from where it sent some in the last 30 s.
func (n *Network) Firewall(at Spot, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.place(at).firewall = on
}

// blocked tells whether packets between two places are stopped.
func (n *Network) blocked(from, to *place) bool {
	return from.unplugged || to.unplugged || n.cut[[2]Spot{from.spot, to.spot}] ||
		n.group[from.spot] != n.group[to.spot]
}

// Reaches tells whether packets from one spot to another are let through.
func (n *Network) Reaches(from, to Spot) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.blocked(n.place(from), n.place(to))
}
