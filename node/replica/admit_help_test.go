package replica_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/store"
)

// join makes a replica of a context that another home made, by an invitation of the
// creator there.
func (h *home) join(from *home, c replica.Created) replica.Created {
	h.t.Helper()
	return h.joinAs(from, c, members.Plain)
}

// joinAs is join as something, with all that there is.
func (h *home) joinAs(from *home, c replica.Created, role members.Role) replica.Created {
	h.t.Helper()
	member, err := h.set.NewIdentity(h.t.Context())
	must(h.t, err)
	inv, err := from.set.Invite(h.t.Context(), replica.InviteRequest{Context: c.Context, Executor: c.Member, To: member, Role: role})
	must(h.t, err)
	joined := h.joinBy(from, inv, member)
	h.receive(joined, from.log(c)...)
	return joined
}

// joinBy makes a replica by an invitation, which a home answers.
func (h *home) joinBy(from *home, inv members.Invitation, member ident.PublicKey) replica.Created {
	h.t.Helper()
	req, err := h.set.Request(inv, member, "peer")
	must(h.t, err)
	a, err := from.set.Admit(h.t.Context(), inv.Context, inv, req)
	must(h.t, err)
	must(h.t, a.Answers(&inv))
	id, err := h.set.JoinWith(h.t.Context(), a, member)
	must(h.t, err)
	return replica.Created{Context: id, Member: member}
}

// crew is how many keys the authors of a world have among them, who are all members
// from the beginning. An author is one of them in an incarnation of its own.
const crew = 4

// populated is how many deltas let in the crew and the resident.
const populated = crew + 1

func crewKey(i int) ident.PrivateKey {
	return ident.PrivateKeyFromSeed([32]byte{'c', 'r', 'e', 'w', byte(i)})
}

// newAuthor is a new writer of some member of the crew.
func newAuthor(rng *rand.Rand) *author { return authorOf(rng.IntN(crew), rng) }

// authorOf is a new writer of a certain member of the crew.
func authorOf(i int, rng *rand.Rand) *author {
	a := &author{key: crewKey(i)}
	fillRandom(a.inc[:], rng)
	return a
}

// strangerOf is a writer that is no member.
func strangerOf(rng *rand.Rand) *author {
	var seed [32]byte
	fillRandom(seed[:], rng)
	a := &author{key: ident.PrivateKeyFromSeed(seed)}
	fillRandom(a.inc[:], rng)
	return a
}

func fillRandom(b []byte, rng *rand.Rand) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

// resident is as whom every home is in a world: so that any number of replicas have the
// same members.
func resident() store.Identity {
	return store.Identity{Key: [32]byte{'h', 'o', 'm', 'e'}, Seal: [32]byte{'s', 'e', 'a', 'l'}, Created: base}
}

// populate admits the crew and the resident, by the creator.
func (w *world) populate() {
	w.t.Helper()
	w.admitted = w.genesis
	for i := range crew {
		w.first = append(w.first, w.admit(w.creator, crewKey(i), members.Plain).Bytes())
	}
	who := resident()
	w.first = append(w.first, w.admit(w.creator, who.PrivateKey(), members.Plain).Bytes())
	w.admitted = w.creator.last
}

// admit makes the member delta that takes a key in.
func (w *world) admit(by *author, key ident.PrivateKey, role members.Role, parents ...*delta.Delta) *delta.Delta {
	w.t.Helper()
	return w.change(by, w.admission(by, key, role, base.Add(365*24*time.Hour)), parents...)
}

// change makes a member delta.
func (w *world) change(by *author, m delta.Member, parents ...*delta.Delta) *delta.Delta {
	w.t.Helper()
	form, err := delta.EncodeMember(m)
	must(w.t, err)
	var wraps []delta.Wrap
	if m.Admit != nil {
		wrap, err := delta.WrapEpoch(w.context, w.key, m.Admit.Key, m.Admit.Seal)
		must(w.t, err)
		wraps = append(wraps, wrap)
	}
	by.seq++
	h := w.header(by, by.seq, 1, append(parents, by.last))
	h.Kind = delta.KindMember
	d, err := delta.Seal(h, form, w.key, wraps, by.key, nil)
	must(w.t, err)
	by.last = d
	return d
}

// admission is a payload that admits a key by an invitation of by.
func (w *world) admission(by *author, key ident.PrivateKey, role members.Role, expires time.Time) delta.Member {
	w.t.Helper()
	seal := sealOf(w.t, key)
	inv := members.Invitation{Context: w.context, Genesis: w.genesis.ID(), Role: role, Expires: expires}
	must(w.t, inv.Sign(by.key))
	req := members.JoinRequest{Seal: seal, Peer: "peer", Time: base}
	must(w.t, req.Sign(key, &inv))
	return delta.Member{Admit: &delta.Admit{
		Key: key.Public(), Seal: seal, Role: uint8(role), Invitation: inv.Encode(), Request: req.Encode(),
	}}
}

// sealOf is the sealing key of a member of a world: the resident's, or one that follows
// from its key.
func sealOf(t testing.TB, key ident.PrivateKey) ident.SealPublicKey {
	t.Helper()
	seed := key.Seed()
	if who := resident(); seed == who.Key {
		seed = who.Seal
	}
	seal, err := ident.SealKeyFromSeed(seed)
	must(t, err)
	return seal.Public()
}

// join makes a replica of the world in a home, with the members of the beginning.
func (w *world) join(h *home) replica.Created {
	h.t.Helper()
	who := resident()
	must(h.t, h.store.PutIdentity(h.t.Context(), who))
	id, err := h.set.JoinWith(h.t.Context(), replica.Admission{
		Genesis: w.genesis.Bytes(), Delta: w.first[len(w.first)-1],
	}, who.Public())
	must(h.t, err)
	c := replica.Created{Context: id, Member: who.Public()}
	h.receive(c, w.first...)
	return c
}
