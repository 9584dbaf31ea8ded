package syncer

import (
	"context"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/wire"
)

// maxOutbox bounds what waits to be published of one context, in bytes: more than a
// second of what a node can commit. Beyond it the oldest goes, and sessions make it
// good.
const maxOutbox = 16 << 20

// outbox is what was committed here and not yet published. The Syncer's lock guards it.
type outbox struct {
	list  []*delta.Delta
	bytes int
}

// Later is Announce of a Syncer that is made after what calls it: at is set before
// anything is committed.
func Later(at **Syncer) func(*delta.Delta) { return func(d *delta.Delta) { (*at).Announce(d) } }

// Announce publishes a delta that was committed here: replica's OnCommit. It never
// blocks. The order of a context's deltas is kept; what is lost on the way is made
// good by sessions.
func (s *Syncer) Announce(d *delta.Delta) {
	id := d.Header().Context
	s.mu.Lock()
	c := s.contexts[id]
	if c == nil {
		s.relook = true // it was made just now; who joins it gets the delta in a session
		s.mu.Unlock()
		s.poke()
		return
	}
	c.out.list = append(c.out.list, d)
	c.out.bytes += len(d.Bytes())
	for c.out.bytes > maxOutbox {
		c.out.bytes -= len(c.out.list[0].Bytes())
		c.out.list[0] = nil
		c.out.list = c.out.list[1:]
		s.metrics.dropped.WithLabelValues(dropOutbox).Inc()
	}
	s.mu.Unlock()
	select {
	case s.publish <- struct{}{}:
	default:
	}
}

// publisher publishes what is announced, until ctx ends.
func (s *Syncer) publisher(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.publish:
		}
		for s.publishSome(ctx) {
		}
	}
}

// publishSome publishes once of each context that has something, and reports whether
// there was any.
func (s *Syncer) publishSome(ctx context.Context) bool {
	type parcel struct {
		c *shared
		m wire.Message
		n int
	}
	var parcels []parcel
	s.mu.Lock()
	for _, c := range s.contexts {
		if m, n := c.out.take(); m != nil {
			parcels = append(parcels, parcel{c, m, n})
		}
	}
	s.mu.Unlock()
	for _, p := range parcels {
		s.sendGossip(ctx, p.c, p.m, p.n)
		s.headsMoved(p.c.id, "")
	}
	return len(parcels) > 0 && ctx.Err() == nil
}

func (s *Syncer) sendGossip(ctx context.Context, c *shared, m wire.Message, n int) {
	s.mu.Lock()
	t := c.topic
	s.mu.Unlock()
	if t == nil {
		return // sessions bring it
	}
	data, err := wire.Encode(m)
	if err == nil {
		err = t.Publish(ctx, data)
	}
	if err != nil {
		s.log.Debug().Err(err).Stringer("context", c.id).Msg("deltas were not published; sessions bring them")
		s.metrics.dropped.WithLabelValues(dropOutbox).Add(float64(n))
		return
	}
	fate := "published"
	if m.Kind() == wire.KindAnnounce {
		fate = "announced"
	}
	s.metrics.gossip.WithLabelValues(fate).Add(float64(n))
}

// take makes the next message: as many deltas as fit, or the ids of such as are too
// large, in the order of their commits. The caller holds the lock.
func (o *outbox) take() (m wire.Message, n int) {
	if len(o.list) == 0 {
		o.list = nil
		return nil, 0
	}
	var (
		publish  wire.Publish
		announce wire.Announce
		bytes    int
	)
	for _, d := range o.list {
		large := len(d.Bytes()) > wire.MaxPublishBytes
		if large {
			if len(publish.Envelopes) > 0 || len(announce.IDs) == wire.MaxIDs {
				break
			}
			announce.IDs = append(announce.IDs, d.ID())
		} else {
			bytes += len(d.Bytes())
			if len(announce.IDs) > 0 || bytes > wire.MaxPublishBytes || len(publish.Envelopes) == wire.MaxPublish {
				break
			}
			publish.Envelopes = append(publish.Envelopes, d.Bytes())
		}
		n++
	}
	for _, d := range o.list[:n] {
		o.bytes -= len(d.Bytes())
	}
	clear(o.list[:n])
	o.list = o.list[n:]
	if len(announce.IDs) > 0 {
		return &announce, n
	}
	return &publish, n
}

// joinTopic takes part in a context's topic.
func (s *Syncer) joinTopic(_ context.Context, c *shared) {
	t, err := s.deps.Net.Join(s.topicOptions(c))
	if err != nil {
		s.log.Error().Err(err).Stringer("context", c.id).Msg("a topic can not be joined; sessions carry its deltas")
		return
	}
	s.mu.Lock()
	here := s.contexts[c.id] == c && s.runs
	if here {
		c.topic = t
	}
	s.mu.Unlock()
	if !here {
		t.Leave()
	}
}

// isHere reports whether a context takes part.
func (s *Syncer) isHere(id ident.ContextID) bool { return s.sharedOf(id) != nil }
