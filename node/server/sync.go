package server

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/syncer"
)

const (
	// hurryTime bounds POST /contexts/sync, which clients of the reference expect to
	// answer at once; what takes longer goes on by itself.
	hurryTime = 5 * time.Second
	// hurried is how many contexts it exchanges at a time.
	hurried = 8
)

// syncAll is POST /contexts/sync; its body is ignored.
func (x *exchange) syncAll() error {
	list, err := x.server.deps.Contexts.List()
	if err != nil {
		return err
	}
	ids := make([]ident.ContextID, 0, len(list))
	for _, info := range list {
		ids = append(ids, info.ID)
	}
	x.hurry(ids)
	return x.void()
}

// syncContext is POST /contexts/sync/:id; its body is ignored.
func (x *exchange) syncContext() error {
	info, err := x.info()
	if err != nil {
		return err
	}
	x.hurry([]ident.ContextID{info.ID})
	return x.void()
}

// hurry runs a session of each context. What becomes of them is not said: the
// reference answers before it has begun.
func (x *exchange) hurry(ids []ident.ContextID) {
	ctx, cancel := context.WithTimeout(x.r.Context(), hurryTime)
	defer cancel()
	var sessions errgroup.Group
	sessions.SetLimit(hurried)
	for _, id := range ids {
		sessions.Go(func() error {
			_, err := x.server.deps.Sync.Now(ctx, id, "")
			if err != nil && !errors.Is(err, syncer.ErrNoPeer) && ctx.Err() == nil {
				x.server.deps.Log.Debug().Err(err).Stringer("context", id).Msg("a session that was asked for failed")
			}
			return nil
		})
	}
	_ = sessions.Wait() // nil
}

// syncNow is POST /x/contexts/:id/sync: one session, and what it did.
func (x *exchange) syncNow() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	var req api.SyncRequest
	if err := x.decode(&req); err != nil {
		return err
	}
	rep, err := x.server.deps.Sync.Now(x.r.Context(), id, req.Peer)
	if err != nil {
		return err
	}
	return x.data(syncReport(&rep))
}

// syncStatus is GET /x/sync.
func (x *exchange) syncStatus() error {
	list, err := x.server.deps.Contexts.List()
	if err != nil {
		return err
	}
	known := x.server.deps.Sync.Status()
	now := time.Now()
	out := make([]api.SyncStatus, 0, len(list))
	for i := range list {
		out = append(out, syncShape(&list[i], known, now))
	}
	slices.SortFunc(out, func(a, b api.SyncStatus) int { return a.ContextID.Compare(b.ContextID) })
	return x.data(api.SyncStatusResponse{Contexts: out})
}

// syncShape is how a context stands; one that the syncer has not seen yet has no peers.
func syncShape(info *replica.Info, known []syncer.ContextStatus, now time.Time) api.SyncStatus {
	s := api.SyncStatus{
		ContextID: info.ID, Peers: []api.SyncLink{}, Fetching: []string{},
		Deltas: info.Deltas, Waiting: info.Waiting, RootHash: api.Hash(info.Root),
	}
	i := slices.IndexFunc(known, func(c syncer.ContextStatus) bool { return c.Context == info.ID })
	if i < 0 {
		return s
	}
	c := &known[i]
	s.Equal, s.Connected, s.Mesh = c.Equal, c.Connected, c.Mesh
	s.DiscoveryAt, s.Fetching = moment(c.Discovery), some(c.Fetching)
	for j := range c.Links {
		s.Peers = append(s.Peers, syncLink(&c.Links[j], now))
	}
	return s
}

func syncLink(l *syncer.Link, now time.Time) api.SyncLink {
	link := api.SyncLink{
		ContextID: l.Context, Peer: l.Peer, Member: l.Member, Role: l.Role, Connected: l.Connected,
		Equal: l.Behind.IsZero() && !l.EqualAt.IsZero(), BehindSince: moment(l.Behind), EqualAt: moment(l.EqualAt),
		Syncing: l.Syncing, Failures: l.Failures, NextTry: moment(l.NextTry),
	}
	if !l.Behind.IsZero() {
		link.LagMs = ms(now.Sub(l.Behind))
	}
	if l.Last != nil {
		last := syncReport(l.Last)
		link.Last = &last
	}
	return link
}

func syncReport(r *syncer.Report) api.SyncReport {
	rep := api.SyncReport{
		ContextID: r.Context, Equal: r.Equal, Peer: r.Peer, Outcome: string(r.Outcome), Reason: r.Reason,
		StartedAt: r.Started.UTC(), TookMs: ms(r.Took), Sent: r.Sent, Received: r.Received,
		BytesSent: r.BytesSent, BytesReceived: r.BytesReceived, Deltas: r.Deltas, RootHash: api.Hash(r.Root),
		Missing: make([]api.Hash, 0, len(r.Missing)), Waiting: r.Waiting, WaitingFor: r.Held, NextTry: moment(r.NextTry),
	}
	for _, id := range r.Missing {
		rep.Missing = append(rep.Missing, api.Hash(id))
	}
	return rep
}

// moment is a time that may not be known.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// difference is GET /x/contexts/:id/difference.
func (x *exchange) difference() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	d, err := x.server.deps.Sync.Diff(x.r.Context(), id, x.r.URL.Query().Get("peer"))
	if err != nil {
		return err
	}
	out := api.DagDifference{
		ContextID: d.Context, Peer: d.Peer, Equal: d.Equal, SameHeads: d.SameHeads, HereOnly: d.OursOnly, ThereOnly: d.TheirsOnly,
		Here:    api.DagSide{Deltas: d.OurDeltas, Waiting: d.OurWaiting, RootHash: api.Hash(d.OurRoot)},
		There:   api.DagSide{Deltas: d.TheirDeltas, Waiting: d.TheirWaiting, RootHash: api.Hash(d.TheirRoot)},
		Writers: make([]api.WriterDifference, 0, len(d.Writers)),
	}
	for i := range d.Writers {
		w := &d.Writers[i]
		out.Writers = append(out.Writers, api.WriterDifference{
			Author: w.Writer.Author, Incarnation: hex.EncodeToString(w.Writer.Incarnation[:]), Here: w.Ours, There: w.Theirs, Forked: w.Forked,
		})
	}
	return x.data(out)
}

// peers is GET /x/peers: who is connected, and how the contexts stand that both share.
func (x *exchange) peers() error {
	known, now := x.server.deps.Sync.Peers(), time.Now()
	list := some(x.server.deps.Peers())
	for i := range list {
		p := &list[i]
		p.Contexts = []api.SyncLink{}
		at, ok := slices.BinarySearchFunc(known, p.ID, func(s syncer.PeerStatus, id string) int { return strings.Compare(s.Peer, id) })
		if !ok {
			continue
		}
		status := &known[at]
		p.Problem = status.Hello
		if !status.ClockAt.IsZero() {
			ahead := ms(status.Clock)
			p.ClockMs = &ahead
		}
		for j := range status.Links {
			p.Contexts = append(p.Contexts, syncLink(&status.Links[j], now))
		}
	}
	return x.data(api.PeersResponse{Peers: list})
}

// peersOf are the connected peers that speak for each member of a context.
func (x *exchange) peersOf(id ident.ContextID) map[ident.PublicKey][]string {
	peers := map[ident.PublicKey][]string{}
	for _, c := range x.server.deps.Sync.Status() {
		if c.Context != id {
			continue
		}
		for i := range c.Links {
			if l := &c.Links[i]; l.Connected {
				peers[l.Member] = append(peers[l.Member], l.Peer)
			}
		}
	}
	return peers
}
