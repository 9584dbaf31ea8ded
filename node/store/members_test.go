package store_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/store"
)

// TestMembers: the membership is of many pages or few, grows and shrinks, comes with
// small steps and large ones, and survives a restart.
func TestMembers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, noSync())
	r := newReplica(t, s, 1)
	for i, size := range []int{100, 20 << 10, 300, 600 << 10, 10 << 10, 0} {
		want := pattern(size, uint64(i))
		st := r.step(10)
		st.Members, st.Context.Members = want, [32]byte{byte(i)}
		if i == 1 { // one that no transaction holds
			for k := range 200 {
				st.State = append(st.State, r.set(string(rune('A'+k)), pattern(200<<10, uint64(k))))
			}
		}
		must(t, s.Commit(t.Context(), st))
		r.done(st)
		r.commit(t, s, 10, r.set("x", pattern(5, uint64(i)))) // leaves it alone
		if i%2 == 1 {
			must(t, s.Close())
			s = open(t, dir, noSync())
		}
		v, err := s.View(r.rec.ID)
		must(t, err)
		got, err := v.Members()
		if err != nil || !bytes.Equal(got, want) || v.Context().Members != [32]byte{byte(i)} {
			t.Errorf("round %d: %d bytes, %v, want %d; digest %x", i, len(got), err, size, v.Context().Members)
		}
		v.Close()
	}
	st := r.step(10)
	st.Members = make([]byte, store.MaxMembership+1)
	if err := s.Commit(t.Context(), st); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	must(t, s.Close())
}

func TestInvitations(t *testing.T) {
	s := newStore(t)
	r, other := newReplica(t, s, 1), newReplica(t, s, 2)
	of := func(r *replica, n byte, left uint32) store.Invitation {
		return store.Invitation{Context: r.rec.ID, ID: [32]byte{n}, Bytes: []byte{n, n}, Left: left}
	}
	must(t, s.Commit(t.Context(), &store.Step{Invitations: []store.Invitation{of(r, 1, 5), of(r, 2, 0), of(other, 1, 9)}}))
	must(t, s.Commit(t.Context(), &store.Step{
		Invitations: []store.Invitation{of(r, 1, 4), of(r, 3, 1)}, InvitationsDrop: []store.Invitation{of(r, 2, 0)},
	}))
	v, err := s.View(r.rec.ID)
	must(t, err)
	defer v.Close()
	list, err := v.Invitations()
	must(t, err)
	if diff := cmp.Diff([]store.Invitation{of(r, 1, 4), of(r, 3, 1)}, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	long := of(r, 4, 0)
	long.Bytes = make([]byte, delta.MaxInvitation+1)
	if err := s.Commit(t.Context(), &store.Step{Invitations: []store.Invitation{long}}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("too long: %v", err)
	}
	must(t, s.DeleteContext(t.Context(), r.rec.ID))
	again := newReplica(t, s, 1)
	w, err := s.View(again.rec.ID)
	must(t, err)
	defer w.Close()
	if list, err := w.Invitations(); err != nil || len(list) != 0 {
		t.Errorf("of a context that was deleted: %v, %v", list, err)
	}
	if b, err := w.Members(); err != nil || b != nil {
		t.Errorf("of a new context: %d bytes, %v", len(b), err)
	}
}
