package members

import (
	"sync"

	"mero/node/delta"
)

// First is the label of the membership at the genesis. No view has label 0.
const First uint32 = 1

// maxUnions bounds how many unions a log remembers: 1 MiB, about.
const maxUnions = 1 << 15

// Log numbers the views of one context in this process: equal ones have one label. It
// may be used by several goroutines.
type Log struct {
	mu     sync.RWMutex
	views  []*View // by label - 1
	labels map[[32]byte]uint32
	unions map[[2]uint32]uint32
}

// New begins the log of a context with the membership that its genesis makes.
func New(f Founder) *Log {
	l := &Log{labels: make(map[[32]byte]uint32), unions: make(map[[2]uint32]uint32)}
	l.intern(Found(f))
	return l
}

// intern gives a view's label, a new one for a new view. The caller locks.
func (l *Log) intern(v *View) uint32 {
	sum := v.tree.hash()
	if label, known := l.labels[sum]; known {
		return label
	}
	l.views = append(l.views, v)
	label := uint32(len(l.views))
	l.labels[sum] = label
	return label
}

// Label is the label of a view, of whatever log of the context.
func (l *Log) Label(v *View) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.intern(v)
}

// View is the view of a label; nil for one that this log did not give.
func (l *Log) View(label uint32) *View {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if label == 0 || uint64(label) > uint64(len(l.views)) {
		return nil
	}
	return l.views[label-1]
}

// Union is the label of the union of views: of all that deltas have in their past
// together. It costs nothing when all are one. Without labels, and with one that is 0,
// it is 0.
func (l *Log) Union(labels ...uint32) uint32 {
	if len(labels) == 0 {
		return 0
	}
	all := labels[0]
	for _, label := range labels[1:] {
		if label != all && all != 0 {
			all = l.union(all, label)
		}
	}
	return all
}

func (l *Log) union(a, b uint32) uint32 {
	if b == 0 {
		return 0
	}
	pair := [2]uint32{min(a, b), max(a, b)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if label, known := l.unions[pair]; known {
		return label
	}
	if len(l.unions) >= maxUnions {
		clear(l.unions)
	}
	va, vb := l.views[a-1], l.views[b-1]
	label := l.intern(newView(va.genesis, union(va.tree, vb.tree)))
	l.unions[pair] = label
	return label
}

// Judge is View.Judge on the view of a label.
func (l *Log) Judge(label uint32, h *delta.Header, m delta.Member) (Change, error) {
	return l.View(label).Judge(h, m)
}

// With is the label of a view after the change of a member delta. A delta that changes
// nothing keeps the label.
func (l *Log) With(label uint32, id delta.ID, c Change) uint32 {
	var e entry
	switch {
	case label == 0:
		return 0
	case c.Admit != nil:
		m := *c.Admit
		m.Admission = id
		e = memberEntry(&m)
	case c.Revoke != nil:
		e = revokedEntry(*c.Revoke)
	default:
		return label
	}
	v := l.View(label)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.intern(newView(v.genesis, union(v.tree, leaf(e))))
}
