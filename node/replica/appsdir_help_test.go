package replica_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
)

// What TestAppsDir needs to know of deltas and replicas.

func inOrder(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// causal is a random order in which each delta comes after its parents.
func causal(rng *rand.Rand, log []*delta.Delta) []int {
	left := rng.Perm(len(log))
	missing := make(map[delta.ID]bool)
	for _, d := range log {
		missing[d.ID()] = true
	}
	var out []int
	for len(left) > 0 {
		k := slices.IndexFunc(left, func(i int) bool {
			return !slices.ContainsFunc(log[i].Header().Parents, func(id delta.ID) bool { return missing[id] })
		})
		out = append(out, left[k])
		delete(missing, log[left[k]].ID())
		left = slices.Delete(left, k, k+1)
		rng.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	}
	return out
}

// concurrentOnes counts the deltas of a log, in canonical order, that are neither
// before nor after each of the others.
func concurrentOnes(log []*delta.Delta) (n int) {
	pasts := make(map[delta.ID]map[delta.ID]bool)
	related := make(map[delta.ID]int)
	for _, d := range log {
		past := make(map[delta.ID]bool)
		for _, p := range d.Header().Parents {
			if pasts[p] != nil {
				past[p] = true
				maps.Copy(past, pasts[p])
			}
		}
		pasts[d.ID()] = past
		related[d.ID()] += len(past)
		for id := range past {
			related[id]++
		}
	}
	for _, r := range related {
		if r < len(log)-1 {
			n++
		}
	}
	return n
}

// worldOf is a context that a home created, as one that tests can join.
func (p *appProbe) worldOf(h *home, c replica.Created) *world {
	p.t.Helper()
	view, err := h.store.View(c.Context)
	must(p.t, err)
	defer view.Close()
	rec := view.Context()
	genesis, err := view.Delta(rec.Genesis)
	must(p.t, err)
	key, err := view.EpochKey(rec.Epoch)
	must(p.t, err)
	owned, err := view.Identities()
	must(p.t, err)
	w := &world{
		t: p.t, context: c.Context, app: rec.App, quota: rec.StateQuota, key: key,
		creator: &author{key: owned[0].PrivateKey()}, genesis: opened(p.t, genesis.Bytes),
	}
	for i := range crew {
		w.letIn(h, c, crewKey(i))
	}
	who := resident()
	w.first = [][]byte{w.letIn(h, c, who.PrivateKey())}
	w.admitted = opened(p.t, w.first[0])
	w.start = len(h.log(c))
	return w
}

// letIn admits a key of the test by a home, and gives the delta that does.
func (w *world) letIn(h *home, c replica.Created, key ident.PrivateKey) []byte {
	w.t.Helper()
	inv, err := h.set.Invite(w.t.Context(), replica.InviteRequest{Context: c.Context, Executor: c.Member, To: key.Public()})
	must(w.t, err)
	req := members.JoinRequest{Seal: sealOf(w.t, key), Peer: "peer", Time: base}
	must(w.t, req.Sign(key, &inv))
	a, err := h.set.Admit(w.t.Context(), c.Context, inv, req)
	must(w.t, err)
	return a.Delta
}

// opened are envelopes as deltas.
func (w *world) opened(envelopes [][]byte) (out []*delta.Delta) {
	w.t.Helper()
	for _, raw := range envelopes {
		out = append(out, opened(w.t, raw))
	}
	return out
}

// outcome is all that replicas of a context must agree on.
type outcome struct {
	state map[string]string
	root  [32]byte
	heads []delta.ID
	fates map[delta.ID]string
}

func appOutcome(h *home, c replica.Created) outcome {
	h.t.Helper()
	info := h.info(c)
	o := outcome{state: h.state(c), root: info.Root, heads: info.Heads, fates: make(map[delta.ID]string)}
	for id, r := range h.fates(c) {
		o.fates[id] = r.Fate.String() + " " + r.Reason
	}
	return o
}

// diff says what differs, or nothing.
func (o outcome) diff(got outcome) string {
	if maps.Equal(o.state, got.state) && o.root == got.root && slices.Equal(o.heads, got.heads) && maps.Equal(o.fates, got.fates) {
		return ""
	}
	return fmt.Sprintf("root %x and %x, heads %v and %v\nfates: %s\nstate: %s",
		o.root, got.root, o.heads, got.heads, cmp.Diff(o.fates, got.fates), cmp.Diff(o.state, got.state))
}
