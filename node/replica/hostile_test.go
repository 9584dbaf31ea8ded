package replica_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"mero/blobkit"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/store/storetest"
	"mero/node/trail"
	"mero/node/undo"
)

// rewrite is a tape of a few hundred bytes that replaces 13 MB of the state.
func rewrite(with byte) []byte {
	ops := make([]string, 0, 200)
	for key := range 200 {
		ops = append(ops, string([]byte{'f', byte(key), 127 - with}))
	}
	return tape(ops...)
}

// undoBytes is what the undo spans of a context have at rest.
func (h *home) undoBytes(c replica.Created) (n int) {
	h.t.Helper()
	for _, ref := range h.spans(c) {
		n += ref.Bytes
	}
	return n
}

// TestStepIsBoundedByBytes: small deltas that change much are folded in several steps,
// each of bounded memory (R7).
func TestStepIsBoundedByBytes(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it writes some 100 MB")
	}
	h := newQuickHome(t)
	s := newStage(t, h, 1)
	var list [][]byte
	for _, key := range "abcd" { // 24 MiB each
		list = append(list, s.w.write(s.w.creator, 1, tape("q"+string(key)+"\x03")).Bytes())
	}
	steps := func() uint64 { return observed(t, h.reg, "mero_replica_phase_seconds", "store") }
	before := steps()
	if got := h.receive(s.c, list...); got.New != 4 || got.Waiting != 0 {
		t.Errorf("received as %+v", got)
	}
	if info := h.info(s.c); info.Waiting != 0 || info.Deltas != 6+populated || info.StateBytes < 96<<20 {
		t.Errorf("the record is %+v", info)
	}
	if n := steps() - before; n != 2 {
		t.Errorf("%d steps", n)
	}
}

// TestHeavySpans: the undo spans of small deltas that change much keep to their budget
// (R8).
func TestHeavySpans(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it writes some 100 MB")
	}
	h := newQuickHome(t)
	s := newStage(t, h, 1)
	for i := range 5 {
		s.take(s.w.write(s.w.creator, 1, rewrite(byte(i%2))))
		if n, most := h.undoBytes(s.c), 2*trail.Budget(h.info(s.c).StateBytes); n > most {
			t.Errorf("%d bytes of undo spans, twice the budget is %d", n, most)
		}
	}
	s.same()
}

// TestHeavyRollback: a roll-back that takes much memory is not done at once, however
// few deltas it is over.
func TestHeavyRollback(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it writes some 100 MB")
	}
	h := newQuickHome(t)
	s := newStage(t, h, 1)
	all := func(with byte) []byte { // 32 MB
		ops := make([]string, 0, 250)
		for key := range 250 {
			ops = append(ops, string([]byte{'f', byte(key), with}))
		}
		return tape(ops...)
	}
	begins := s.w.write(s.w.creator, 1, all(254))
	s.take(begins)
	s.take(s.w.write(s.w.creator, 9, all(253)))
	s.take(s.w.write(s.w.creator, 1, tape("saa")))
	late := s.w.write(newAuthor(s.rng), 1, tape("szz"), begins)
	if got := h.receive(s.c, late.Bytes()); got.Waiting != 1 || s.waits("order") != 1 {
		t.Errorf("a late one is received as %+v", got)
	}
	h.set.Deepen(t.Context())
	if rec := h.fates(s.c)[late.ID()]; rec.Fate != store.FateFolded {
		t.Errorf("in the end it is %s %s", rec.Fate, rec.Reason)
	}
	if n, most := h.undoBytes(s.c), trail.Budget(h.info(s.c).StateBytes); n > most {
		t.Errorf("%d bytes of undo spans after folding again, the budget is %d", n, most)
	}
}

// TestMemoryShortageWaits: a delta that needs more memory than this node gives waits
// for that alone; what came with it is folded (R7).
func TestMemoryShortageWaits(t *testing.T) {
	h := &home{t: t, dir: t.TempDir(), wall: time.Now, quick: true, memory: 128 << 20}
	h.start()
	s := newStage(t, h, 1)
	log, _ := h.loud()
	hungry := s.w.write(newAuthor(s.rng), 1, tape("qa\x0f"), s.chain[0]) // 15 times 8 MiB
	good := s.w.write(newAuthor(s.rng), 1, tape("sbb"), s.chain[0])
	onIt := s.w.write(newAuthor(s.rng), 1, tape("scc"), hungry)
	if got := h.receive(s.c, hungry.Bytes(), good.Bytes(), onIt.Bytes()); got.New != 3 || got.Waiting != 2 {
		t.Errorf("received as %+v", got)
	}
	if s.waits("memory") != 1 || s.waits("parents") != 1 || h.state(s.c)["b"] != "b" {
		t.Errorf("fates: %v, state %v", h.fates(s.c), h.state(s.c))
	}
	if !bytes.Contains(log.Bytes(), []byte("runtime.memory_limit")) {
		t.Errorf("the log does not say it: %s", log)
	}
	must(t, h.set.Reconsider(t.Context(), s.w.context)) // too early
	h.close()
	h.memory = 0
	h.open()
	h.wall = func() time.Time { return base.Add(time.Hour) }
	must(t, h.set.Reconsider(t.Context(), s.w.context))
	h.wall = func() time.Time { return base.Add(2 * time.Hour) }
	must(t, h.set.Reconsider(t.Context(), s.w.context))
	if rec := h.fates(s.c)[hungry.ID()]; rec.Fate != store.FateVoid || h.state(s.c)["c"] != "c" {
		t.Errorf("with more memory it is %s %s", rec.Fate, rec.Reason)
	}
	h.verify(s.w.context)
}

// TestShallow: which roll-backs are done at once. One that took too long is not tried
// again for a while, whatever cheap deltas have made of the mean.
func TestShallow(t *testing.T) {
	for _, tc := range []struct {
		depth  uint64
		each   time.Duration
		gaveUp uint64
		want   bool
	}{
		{1, time.Second, 0, true},
		{200, time.Second, 0, true},
		{201, time.Second, 0, false},
		{1000, 50 * time.Microsecond, 0, true},
		{1000, 50 * time.Microsecond, 999, false},
		{998, 50 * time.Microsecond, 999, true},
		{10, time.Microsecond, 1, false},
	} {
		if got := replica.CheckShallow(tc.depth, tc.each, tc.gaveUp); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}

// TestJobTakesTheLateOnesItBeganWith: what is late and comes during a deep roll-back is
// for the next one, so that nobody can keep one from ending.
func TestJobTakesTheLateOnesItBeganWith(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 8)
	s.take(s.grow(260, 0)...)
	h.set.Believe(replica.Ages)
	first := s.late(30)
	s.take(first)
	later, onTime := s.late(20), s.late(len(s.chain)-1)
	must(t, h.set.RefoldOnce(t.Context(), s.w.context, false, func() {
		h.set.Believe(replica.Ages)
		s.take(later)
		s.take(onTime)
	}))
	fates := h.fates(s.c)
	if fates[first.ID()].Fate == store.FateWaiting || fates[onTime.ID()].Fate == store.FateWaiting || s.waits("order") != 1 {
		t.Errorf("fates: %v", fates)
	}
	h.verify(s.w.context)
	s.settle()
	s.same()
}

// TestJobBeginsAgain: a job whose beginning the live state went back behind, meanwhile,
// does not take its place.
func TestJobBeginsAgain(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 8)
	s.take(s.grow(260, 0)...)
	h.set.Believe(replica.Ages)
	s.take(s.late(30))
	err := h.set.RefoldOnce(t.Context(), s.w.context, false, func() {
		h.set.Believe(0)
		s.take(s.late(10))
	})
	if !errors.Is(err, replica.ErrRestart) {
		t.Errorf("the job ends with %v", err)
	}
	must(t, h.set.Reconsider(t.Context(), s.w.context))
	s.settle()
	s.same()
}

// TestLongVoidIsRemembered: work that ends in a trap is not done again when a roll-back
// goes past it; with another state before it, it is judged anew.
func TestLongVoidIsRemembered(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 1)
	_, reg := h.loud()
	runs := func() uint64 { return observed(t, reg, "mero_replica_phase_seconds", "apply") }
	list := make([]string, 0, 5)
	for range 4 {
		list = append(list, "w \xff")
	}
	d := s.w.write(newAuthor(s.rng), 9, tape(append(list, "nqq")...), s.chain[0])
	s.take(d)
	was := runs()
	s.take(s.w.write(newAuthor(s.rng), 1, tape("xaa"), s.chain[0])) // void: the state before d is what it was
	if n := runs() - was; n > 1 {
		t.Errorf("%d runs for one late delta", n)
	}
	s.same()
	s.take(s.w.write(newAuthor(s.rng), 1, tape("sqq"), s.chain[0]))
	s.same()
	if rec := h.fates(s.c)[d.ID()]; rec.Fate != store.FateFolded {
		t.Errorf("on another state it is %s %s", rec.Fate, rec.Reason)
	}
}

// TestCodeThatCannotBeRead: deltas wait for the code of an application that is installed
// and cannot be read, and are folded when it can.
func TestCodeThatCannotBeRead(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 1)
	h.reopen() // no compiled module is in memory
	h.wall = func() time.Time { return base.Add(time.Minute) }
	app, err := h.apps.App(s.w.app)
	must(t, err)
	code, err := h.blobs.Bytes(t.Context(), blobkit.ID(app.Blob), 1<<20)
	must(t, err)
	must(t, h.blobs.Delete(t.Context(), blobkit.ID(app.Blob)))
	if got := s.take(s.w.write(s.w.creator, 1, tape("sbb"))); got.Waiting != 1 || s.waits("code") != 1 {
		t.Errorf("received as %+v: %v", got, h.fates(s.c))
	}
	_, err = h.blobs.Put(t.Context(), bytes.NewReader(code), blobkit.PutOptions{})
	must(t, err)
	must(t, h.set.Reconsider(t.Context(), s.w.context))
	s.same()
}

// TestSpanOfAnotherState: an undo span whose pages are not what they were does not
// become state, even with a checksum that fits.
func TestSpanOfAnotherState(t *testing.T) {
	o := newWounded(t, 80)
	changed := 0
	o.damage(func(db string) {
		storetest.ChangeUndo(t, db, o.w.context, func(_ store.UndoRef, data []byte) []byte {
			span, err := undo.Decode(bytes.Clone(data[4:]))
			must(t, err)
			for i := range span.Entries {
				for _, p := range span.Entries[i].Pages {
					if len(p.Data) > 0 {
						p.Data[0] ^= 1
						changed++
					}
				}
			}
			form := span.Encode()
			return append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(form, crc32.MakeTable(crc32.Castagnoli))), form...)
		})
	})
	if o.take(o.late(20)); changed == 0 || o.waits("order") != 1 || count(t, o.h.reg, damageTotal, "") != 1 {
		t.Errorf("%d pages are changed, %d deltas wait for a fold from genesis", changed, o.waits("order"))
	}
	o.settle()
	o.same()
	o.h.verify(o.w.context)
}

// TestRebuildEndsAPacedJob: who asks for a rebuild does not wait for a deep roll-back
// that takes its time.
func TestRebuildEndsAPacedJob(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 8)
	s.take(s.grow(260, 3)...)
	h.set.Believe(replica.Ages)
	late := s.late(30)
	s.take(late)
	h.set.Tire(time.Hour)
	unlock, err := h.set.Lead(t.Context(), s.w.context)
	must(t, err)
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		h.set.Deepen(t.Context())
	}()
	eventually(t, func() bool { return h.set.Queued(s.w.context) == 1 }) // it wants to begin
	rebuilt := make(chan error, 1)
	go func() {
		_, err := h.set.Rebuild(t.Context(), s.w.context)
		rebuilt <- err
	}()
	eventually(t, func() bool { return h.set.Queued(s.w.context) == 2 })
	unlock()
	<-paced
	must(t, <-rebuilt)
	if rec := h.fates(s.c)[late.ID()]; rec.Fate == store.FateWaiting {
		t.Errorf("the late one is %s %s", rec.Fate, rec.Reason)
	}
	if n := count(t, h.reg, "mero_replica_refolds_total", "failed"); n != 0 {
		t.Errorf("%v failed", n)
	}
	s.same()
}

// TestDeepRollbacksSideBySide: a deep roll-back that cannot go on keeps no other
// context waiting.
func TestDeepRollbacksSideBySide(t *testing.T) {
	h := newQuickHome(t)
	slow, quick := newStage(t, h, 8), newStage(t, h, 9)
	for _, s := range []*stage{slow, quick} {
		s.take(s.grow(260, 0)...)
	}
	h.set.Believe(replica.Ages)
	slow.take(slow.late(30))
	quick.take(quick.late(30))
	unlock, err := h.set.Lead(t.Context(), slow.w.context)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.set.Deepen(t.Context())
	}()
	eventually(t, func() bool { return quick.waits("order") == 0 })
	unlock()
	<-done
	for _, s := range []*stage{slow, quick} {
		s.same()
	}
}

// TestRebuildOverLeftovers: a key that no delta made, and that is set to nothing while a
// rebuild is at its end, is what it was set to.
func TestRebuildOverLeftovers(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it writes some 30 MB")
	}
	o := newWounded(t, 10)
	o.damage(func(db string) { storetest.ChangeValue(t, db, o.w.context, []byte("Z"), []byte("left over")) })
	must(t, o.h.set.RefoldOnce(t.Context(), o.w.context, true, func() {
		o.take(o.w.write(o.w.creator, 2, tape("fZ\x00")))
		o.take(o.w.write(o.w.creator, 2, tape("qa\x02"))) // too much to be kept in memory
		o.take(o.w.write(o.w.creator, 2, tape("qb\x03")))
	}))
	if got, there := o.h.state(o.c)["Z"]; !there || got != "" {
		t.Errorf("it is %q", got)
	}
	o.h.verify(o.w.context)
}
