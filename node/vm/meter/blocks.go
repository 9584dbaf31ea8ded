package meter

// Every cycle of a function passes the head of a loop, and every recursion the
// entry of a function: there, and only there, the fuel is checked. A part is what
// belongs to one of these heads: the function without its loops, or a loop without
// its inner ones. Its blocks (basic blocks, as compilers call them) run at most
// once each time the head is passed.

const (
	// wholePart is up to which cost a head charges for all of its part, whatever
	// of it runs. That is faster than to charge by blocks, and smaller.
	wholePart = 256
	// smallBlock is up to which cost a block may be charged by one before it.
	smallBlock = 16
)

// point is a block and what is charged at its beginning.
type point struct {
	at int // where in out
	// own is what its instructions cost, cost what is charged here.
	own, cost int64
	// head is the first block of the part.
	head int
	// over is a block of the same part, before this one, that every way to this
	// one leads through.
	over int
	// dead: no way leads here.
	dead bool
}

// newHead begins a part.
func (b *body) newHead(cost int64) {
	if b.err != nil {
		return
	}
	b.keep()
	b.now = len(b.points)
	b.points = append(b.points, point{at: len(b.out), own: cost, head: b.now, over: b.now})
	b.branches += 2
}

// newBlock begins a block of the part that over is in.
func (b *body) newBlock(over int) {
	if b.err != nil {
		return
	}
	b.keep()
	from := b.points[over]
	b.now = len(b.points)
	b.points = append(b.points, point{at: len(b.out), head: from.head, over: over, dead: from.dead})
}

// newDead begins what follows a jump, up to the next else or end.
func (b *body) newDead() {
	b.newBlock(b.now)
	if b.err == nil {
		b.points[b.now].dead = true
	}
}

// spread decides what is charged where. A part of up to wholePart is charged at
// its head. Of others every block charges for itself, or a block before it does
// for a small one; none charges more than one and a half times what it costs. So
// nothing runs that was not charged before.
func (b *body) spread() {
	sums := make([]int64, len(b.points))
	for _, p := range b.points {
		if !p.dead {
			sums[p.head] += p.own
		}
	}
	for i := len(b.points) - 1; i >= 0; i-- { // what is over others comes before them
		p := &b.points[i]
		total := p.own + p.cost
		switch over := &b.points[p.over]; {
		case p.dead && p.head != i:
			p.cost = 0
		case p.head == i:
			p.cost = total
		case sums[p.head] <= wholePart, total <= smallBlock && 2*(over.cost+total) <= over.own:
			over.cost += total
			p.cost = 0
		default:
			p.cost = total
		}
	}
}
