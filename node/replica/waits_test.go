package replica_test

import (
	"testing"
	"time"

	"mero/node/delta"
)

// TestOwnReasonLasts: what rests on a delta that waits has a reason of its own; when
// the ancestor need not wait any more, it goes on waiting for that, and nothing that
// does not rest on it is held up.
func TestOwnReasonLasts(t *testing.T) {
	for _, kind := range []string{"clock", "key", "upgrade"} {
		t.Run(kind, func(t *testing.T) {
			h := newQuickHome(t)
			s := newStage(t, h, 5)
			a, b := newAuthor(s.rng), newAuthor(s.rng)
			parent := s.w.write(a, uint64(7*time.Minute)/delta.Tick, tape("saa"), s.chain[0])
			var child []byte
			switch kind {
			case "clock":
				child = s.w.write(b, uint64(10*time.Minute)/delta.Tick, tape("sbb"), parent).Bytes()
			case "key":
				d, err := s.w.sealAs(b, 1, 1, payload(t, "sbb"), delta.NewEpochKey(), parent)
				must(t, err)
				child = d.Bytes()
			case "upgrade":
				child = s.w.forge(b, forged{version: 2, kind: 2, parents: []*delta.Delta{parent}, seq: 1, more: []any{uint64(1)}})
			}
			s.receive(child)
			s.h.receive(s.c, child)
			s.take(parent)
			s.same()
			s.now = s.now.Add(4 * time.Minute)
			h.wall = func() time.Time { return s.now }
			must(t, h.set.Reconsider(t.Context(), s.w.context))
			s.same()
			if s.waits(kind) != 1 || h.state(s.c)["a"] != "a" {
				t.Errorf("after the ancestor was released: %v, %v", h.fates(s.c), h.state(s.c))
			}
			h.reopen()
			must(t, h.set.Reconsider(t.Context(), s.w.context))
			s.take(s.late(0))
			h.verify(s.w.context)
		})
	}
}

// TestOwnReasonGoes: a delta whose own reason has gone says that it rests on another.
func TestOwnReasonGoes(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 5)
	parent, err := s.w.sealAs(newAuthor(s.rng), 1, 1, payload(t, "saa"), delta.NewEpochKey(), s.chain[0])
	must(t, err)
	child := s.w.write(newAuthor(s.rng), uint64(7*time.Minute)/delta.Tick, tape("sbb"), parent)
	s.take(parent, child)
	s.now = s.now.Add(4 * time.Minute)
	h.wall = func() time.Time { return s.now }
	must(t, h.set.Reconsider(t.Context(), s.w.context))
	if s.waits("key") != 1 || s.waits("parents") != 1 {
		t.Errorf("fates: %v", h.fates(s.c))
	}
}

// TestDroppedAndBackInOneBatch: a delta that is refused because of what arrived, and
// comes again in the same call, waits like any other.
func TestDroppedAndBackInOneBatch(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 6)
	broken, err := s.w.sealAs(newAuthor(s.rng), 2, 1, payload(t, "saa"), s.w.key, s.chain[0]) // a gap
	must(t, err)
	child := s.w.write(newAuthor(s.rng), 1, tape("sbb"), broken)
	s.take(child)
	s.take(broken, child)
	info, waiting := h.info(s.c), uint64(s.waits("parents"))
	if info.Waiting != waiting {
		t.Errorf("%d wait, by their fates %d", info.Waiting, waiting)
	}
	h.verify(s.w.context)
}
