package replica_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/store/storetest"
)

const damageTotal = "mero_replica_damage_total"

// wounded is a stage whose store is changed behind its back, beside a context that
// must not notice.
type wounded struct {
	*stage
	other *world
	c2    replica.Created
	was   replica.Info
	held  map[string]string
}

// newWounded has a small value at z and one of five pages at y, and calls of its own
// touch neither.
func newWounded(t *testing.T, length int) *wounded {
	t.Helper()
	h := newQuickHome(t)
	s := newStage(t, h, 5)
	s.take(s.w.write(s.w.creator, 2, tape("szA", "fy("), s.chain[0]))
	s.chain = append(s.chain, s.w.creator.last)
	s.take(s.grow(length, 0)...)
	o := &wounded{stage: s, other: newWorld(t, s.w.app, 1<<30)}
	o.c2 = o.other.join(h)
	for range 5 {
		h.receive(o.c2, o.other.write(o.other.creator, 1, s.ops(0)).Bytes())
	}
	o.was, o.held = h.info(o.c2), h.state(o.c2)
	s.same()
	return o
}

// damage changes the closed store, and opens the home again.
func (o *wounded) damage(change func(db string)) {
	o.t.Helper()
	o.h.close()
	change(filepath.Join(o.h.dir, "db"))
	o.h.open()
}

// unharmed holds that the other context is what it was.
func (o *wounded) unharmed() {
	o.t.Helper()
	if d := cmp.Diff(o.was, o.h.info(o.c2)); d != "" {
		o.t.Errorf("the other context changed: %s", d)
	}
	if d := cmp.Diff(o.held, o.h.state(o.c2)); d != "" {
		o.t.Errorf("the state of the other context changed: %s", d)
	}
	o.h.verify(o.c2.Context)
}

// during calls the context while something goes on.
func (o *wounded) during(work func()) (calls int) {
	o.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	for ; calls < 30; calls++ {
		select {
		case <-done:
			if calls > 0 {
				return calls
			}
		default:
		}
		o.call()
	}
	<-done
	return calls
}

// named holds that a report names this key and no other.
func (o *wounded) named(rep replica.Report, err error, key string) {
	o.t.Helper()
	must(o.t, err)
	var keys []string
	for _, p := range rep.Problems {
		if p.Key != nil {
			keys = append(keys, string(p.Key))
		}
	}
	if !slices.Equal(keys, []string{key}) {
		o.t.Errorf("keys %q are named, want %q; %+v", keys, key, rep.Problems)
	}
}

// TestDamagedState: a state that was changed behind the store's back is found by
// Verify at once and by one pass of the scrub, and folded again (R9), while calls go
// on and with nothing done to other contexts.
func TestDamagedState(t *testing.T) {
	o := newWounded(t, 80)
	for _, wound := range []struct{ name, key string }{{"value", "z"}, {"key less", "z"}, {"key more", "Z"}, {"page", "y"}, {"shorter", "y"}} {
		for _, remedy := range []string{"scrub", "repair", "rebuild"} {
			t.Run(wound.name+"/"+remedy, func(t *testing.T) {
				o.t, o.h.t = t, t
				before := o.h.state(o.c)
				o.damage(func(db string) { hurt(t, db, o.w.context, wound.name, wound.key, before[wound.key]) })
				damaged := o.h.state(o.c)
				rep, err := o.h.set.Verify(t.Context(), o.w.context)
				o.named(rep, err, wound.key)
				rep, err = o.h.set.VerifyLog(t.Context(), o.w.context)
				o.named(rep, err, wound.key)
				if d := cmp.Diff(damaged, o.h.state(o.c)); d != "" || rep.Repaired {
					t.Errorf("Verify changed the state: %s", d)
				}
				calls := o.during(func() { o.remedy(remedy, wound.key) })
				o.same()
				after := o.h.state(o.c)
				for _, key := range []string{"y", "z", "Z"} {
					if got, ok := after[key]; got != before[key] || ok != (key != "Z") {
						t.Errorf("key %s is not what it was", key)
					}
				}
				o.h.verify(o.w.context)
				o.unharmed()
				o.h.reopen()
				o.same()
				t.Logf("%d calls meanwhile", calls)
			})
		}
	}
	o.t, o.h.t = t, t
}

// hurt changes one key of a closed store.
func hurt(t *testing.T, db string, id ident.ContextID, how, key, value string) {
	t.Helper()
	switch how {
	case "key less":
		storetest.DropKey(t, db, id, []byte(key))
		return
	case "page": // of a large value: one byte in its fourth page
		changed := []byte(value)
		changed[13_000] ^= 1
		value = string(changed)
	case "shorter":
		value = value[:len(value)-5000]
	default:
		value = "not what the deltas give"
	}
	storetest.ChangeValue(t, db, id, []byte(key), []byte(value))
}

// remedy repairs the context, and looks at what is said of it.
func (o *wounded) remedy(how, key string) {
	ctx, found := context.WithoutCancel(o.t.Context()), 1.0
	switch how {
	case "scrub":
		o.h.set.Scrub(ctx)
		if got := count(o.t, o.h.reg, "mero_replica_scrubs_total", ""); got != 2 {
			o.t.Errorf("a pass of the scrub looked at %v contexts, want 2", got)
		}
	case "repair":
		rep, err := o.h.set.Repair(ctx, o.w.context)
		if err != nil || !rep.Repaired || !slices.ContainsFunc(rep.Problems, func(p replica.Problem) bool { return string(p.Key) == key }) {
			o.t.Errorf("repair of key %s: %v %+v", key, err, rep)
		}
	case "rebuild":
		rep, err := o.h.set.Rebuild(ctx, o.w.context)
		if err != nil || !rep.Repaired || len(rep.Problems) > 0 {
			o.t.Errorf("rebuild: %v %+v", err, rep)
		}
		found = 0 // it does not look
	}
	if got := count(o.t, o.h.reg, damageTotal, ""); got != found {
		o.t.Errorf("%s counts %v, want %v", damageTotal, got, found)
	}
	if got := count(o.t, o.h.reg, "mero_replica_rebuilds_total", ""); got != 1 {
		o.t.Errorf("%v rebuilds, want 1", got)
	}
}

// TestDamagedSpan: a late delta whose roll-back meets a damaged undo span waits, the
// state stays and calls go on; then all is folded again from genesis.
func TestDamagedSpan(t *testing.T) {
	for name, change := range map[string]func(data []byte) []byte{
		"garbage": func([]byte) []byte { return []byte("no span") },
		"cut":     func(data []byte) []byte { return data[:len(data)/2] },
		"first byte": func(data []byte) []byte {
			return append([]byte{data[0] ^ 1}, data[1:]...)
		},
		"last byte": func(data []byte) []byte {
			data = bytes.Clone(data)
			data[len(data)-1] ^= 1
			return data
		},
		"a byte within": func(data []byte) []byte {
			data = bytes.Clone(data)
			data[len(data)*2/3] ^= 0x10
			return data
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newWounded(t, 80)
			o.damage(func(db string) {
				storetest.ChangeUndo(t, db, o.w.context, func(_ store.UndoRef, data []byte) []byte { return change(data) })
			})
			before := o.h.info(o.c)
			o.h.verify(o.w.context) // spans are a cache: the state is right
			if got := o.take(o.late(20)); got.New != 1 || got.Waiting != 1 || o.waits("order") != 1 {
				t.Errorf("received as %+v, %d wait for a roll-back", got, o.waits("order"))
			}
			if got := count(t, o.h.reg, damageTotal, ""); got != 1 {
				t.Errorf("%s counts %v, want 1", damageTotal, got)
			}
			if got := o.h.info(o.c); got.Root != before.Root {
				t.Error("the state changed")
			}
			calls := o.during(func() { o.h.set.Deepen(context.WithoutCancel(t.Context())) })
			o.settle()
			o.same()
			o.h.verify(o.w.context)
			fresh := newQuickHome(t)
			fresh.wall = o.h.wall
			fresh.installTape()
			c := o.w.join(fresh)
			fresh.receive(c, o.h.log(o.c)...)
			if o.h.info(o.c).Root != fresh.info(c).Root || !cmp.Equal(o.h.state(o.c), fresh.state(c)) {
				t.Error("a fresh replica has another state")
			}
			// What was folded again has sound spans.
			if o.take(o.late(30)); o.waits("order") != 0 {
				t.Error("the next late delta waits too")
			}
			o.same()
			o.unharmed()
			t.Logf("%d calls meanwhile", calls)
		})
	}
}

// TestDamagedDelta: a delta whose bytes were changed is named, and nothing is folded
// from a log that has it: the state, which is right, stays.
func TestDamagedDelta(t *testing.T) {
	o := newWounded(t, 40)
	hit := o.chain[20]
	flip := func(at int) func([]byte) []byte {
		return func(raw []byte) []byte {
			raw = bytes.Clone(raw)
			raw[at] ^= 1
			return raw
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"garbage":       func([]byte) []byte { return []byte("no delta") },
		"empty":         func([]byte) []byte { return nil },
		"another's":     func([]byte) []byte { return o.chain[21].Bytes() },
		"one of sealed": flip(len(hit.Bytes()) / 2),
		"signature":     flip(len(hit.Bytes()) - 1),
	} {
		t.Run(name, func(t *testing.T) {
			o.t, o.h.t = t, t
			o.damage(func(db string) { storetest.ChangeDelta(t, db, o.w.context, hit.ID(), change) })
			before, state := o.h.info(o.c), o.h.state(o.c)
			for what, check := range map[string]func(context.Context, ident.ContextID) (replica.Report, error){
				"verify": o.h.set.Verify, "verify log": o.h.set.VerifyLog,
			} {
				rep, err := check(t.Context(), o.w.context)
				if err != nil || !slices.ContainsFunc(rep.Problems, func(p replica.Problem) bool { return p.Delta == hit.ID() }) {
					t.Errorf("%s does not name the delta: %v %+v", what, err, rep.Problems)
				}
			}
			if _, err := o.h.set.Rebuild(t.Context(), o.w.context); !errors.Is(err, replica.ErrDamagedLog) {
				t.Errorf("rebuild: %v, want ErrDamagedLog", err)
			}
			if _, err := o.h.set.Repair(t.Context(), o.w.context); !errors.Is(err, replica.ErrDamagedLog) {
				t.Errorf("repair: %v, want ErrDamagedLog", err)
			}
			if d := cmp.Diff(before, o.h.info(o.c)) + cmp.Diff(state, o.h.state(o.c)); d != "" {
				t.Errorf("the context changed: %s", d)
			}
			o.h.set.Scrub(t.Context()) // the state is right: nothing to do
			made := o.call()
			o.unharmed()
			// With the right bytes all is well, the call's delta included.
			o.damage(func(db string) {
				storetest.ChangeDelta(t, db, o.w.context, hit.ID(), func([]byte) []byte { return hit.Bytes() })
			})
			if rec := o.h.fates(o.c)[made.ID()]; rec.Fate != store.FateFolded {
				t.Errorf("the call's delta is %v", rec.Fate)
			}
			o.same()
			o.h.verify(o.w.context)
		})
	}
	o.t, o.h.t = t, t
}
