package main_test

import (
	"math/rand/v2"
	"testing"

	"mero/node/api"
	"mero/node/ident"
)

// churn makes contexts, writes to them and deletes most of them again, one
// after another: steps of other kinds, which faults meet too.
type churn struct {
	app     ident.AppID
	known   map[ident.ContextID]*sample
	unsure  int // contexts that may be there without our knowing their ids
	made    int
	deleted int
}

// sample is what is known of one such context.
type sample struct {
	book           *book
	deleting, gone bool // a deletion was asked for; was acknowledged
}

// work goes on until the node gives no answer.
func (c *churn) work(t *testing.T, client *api.Client, rng *rand.Rand) {
	for {
		c.unsure++
		made, err := client.CreateContext(t.Context(), api.CreateContextRequest{ApplicationID: c.app, InitializationParams: api.Bytes("{}")})
		if err != nil {
			return
		}
		c.unsure--
		c.made++
		s := &sample{book: &book{context: made.ContextID, member: made.MemberPublicKey, cells: []*cell{{key: "k"}}}}
		c.known[made.ContextID] = s
		first := s.book.cells[0]
		first.tried = []value{{made.ContextID.String(), true}}
		if _, err := call(t, client, s.book, "set", map[string]string{"key": "k", "value": first.tried[0].text}); err != nil {
			return
		}
		first.acked, first.tried = first.tried[0], nil
		if rng.IntN(8) == 0 {
			continue
		}
		s.deleting = true
		if there, err := client.DeleteContext(t.Context(), made.ContextID); err != nil || !there {
			return
		}
		s.gone = true
		c.deleted++
	}
}

// check compares the node's list of contexts with what was acknowledged, and
// reads those that are there.
func (c *churn) check(t *testing.T, client *api.Client, others *ledger) {
	t.Helper()
	contexts, err := client.Contexts(t.Context())
	must(t, err)
	listed := make(map[ident.ContextID]bool)
	for _, there := range contexts {
		listed[there.ID] = true
	}
	for _, b := range others.books {
		if !listed[b.context] {
			t.Fatalf("context %s is lost", b.context)
		}
	}
	var there ledger
	for id, s := range c.known {
		switch {
		case listed[id] && s.gone:
			t.Fatalf("context %s was deleted, and is there again", id)
		case !listed[id] && !s.deleting:
			t.Fatalf("context %s is lost", id)
		case listed[id]:
			s.deleting = false
			there.books = append(there.books, s.book)
		default:
			s.gone = true
		}
		delete(listed, id)
	}
	for _, b := range others.books {
		delete(listed, b.context)
	}
	// What is left was made by a call whose answer did not arrive.
	if len(listed) > c.unsure {
		t.Fatalf("%d contexts that nobody made", len(listed)-c.unsure)
	}
	c.unsure = 0
	for id := range listed {
		members, err := client.OwnedIdentities(t.Context(), id)
		must(t, err)
		if len(members) != 1 {
			t.Fatalf("context %s has %d members of this node", id, len(members))
		}
		b := &book{context: id, member: members[0], cells: []*cell{{key: "k"}}}
		c.known[id] = &sample{book: b}
		there.books = append(there.books, b)
	}
	there.check(t, client)
}
