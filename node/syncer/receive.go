package syncer

import (
	"bytes"
	"context"
	"errors"
	"time"

	"mero/netkit"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/wire"
)

// maxInbox bounds what of one context's gossip waits to be folded, in deltas and bytes.
// What does not fit is dropped, and a session brings it.
const (
	maxInbox      = 8192
	maxInboxBytes = 32 << 20
)

// maxOpened is how many messages may lie between the validator and the delivery;
// netkit keeps 1 024 for the delivery, and those beyond are opened again.
const maxOpened = 64

// inbox is what gossip brought and is not folded. The Syncer's lock guards it.
type inbox struct {
	list  []letter
	bytes int
	count int
	busy  bool // a receiver has it, or it is in ready
	// opened are messages whose deltas the validator has verified, oldest first.
	opened []opened
}

// letter is one message of gossip.
type letter struct {
	from    string
	at      time.Time
	parcels []replica.Parcel
	bytes   int
}

type opened struct {
	data    []byte
	parcels []replica.Parcel
}

func (in *inbox) len() int { return in.count }

// topicOptions are how a context's gossip is judged and taken in.
func (s *Syncer) topicOptions(c *shared) netkit.TopicOptions {
	return netkit.TopicOptions{
		Name:  c.secret.Topic(),
		Allow: func(peer string) bool { return s.isBound(c.id, peer) },
		Check: func(_ string, data []byte) netkit.Verdict { return s.judge(c, data) },
		Receive: func(from string, data []byte) {
			s.deliver(c, from, data)
		},
	}
}

// judge is the validator: it looks at nothing but the message (R16), so every node
// says the same and who forwards what is rejected is to blame. What it had to open is
// kept for the delivery.
func (s *Syncer) judge(c *shared, data []byte) netkit.Verdict {
	parcels, err := openGossip(c.id, data)
	var version *wire.VersionError
	switch {
	case errors.As(err, &version):
		return netkit.Ignore
	case err != nil:
		s.metrics.gossip.WithLabelValues("rejected").Inc()
		s.log.Debug().Err(err).Stringer("context", c.id).Msg("gossip was rejected")
		return netkit.Reject
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(c.in.opened) >= maxOpened {
		c.in.opened = c.in.opened[1:]
	}
	c.in.opened = append(c.in.opened, opened{data, parcels})
	return netkit.Accept
}

// openGossip verifies a message; an announcement has no parcels.
func openGossip(id ident.ContextID, data []byte) ([]replica.Parcel, error) {
	m, err := wire.Decode(data)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *wire.Publish:
		parcels := make([]replica.Parcel, 0, len(m.Envelopes))
		for _, e := range m.Envelopes {
			p, err := replica.Open(id, e)
			if err != nil {
				return nil, err
			}
			parcels = append(parcels, p)
		}
		return parcels, nil
	case *wire.Announce:
		return nil, nil
	}
	return nil, errOrder
}

// deliver takes a message that was accepted. It does not wait.
func (s *Syncer) deliver(c *shared, from string, data []byte) {
	parcels, known := s.takeOpened(c, data)
	if !known {
		var err error
		if parcels, err = openGossip(c.id, data); err != nil {
			return
		}
	}
	if len(parcels) == 0 { // an announcement: who lacks it asks, and one that has it finds both equal
		s.wantSession(c.id, from, true)
		return
	}
	s.mu.Lock()
	if s.contexts[c.id] != c {
		s.mu.Unlock()
		return
	}
	if c.in.count+len(parcels) > maxInbox || c.in.bytes+len(data) > maxInboxBytes {
		s.mu.Unlock()
		s.metrics.dropped.WithLabelValues(dropInbox).Add(float64(len(parcels)))
		s.wantSession(c.id, from, false)
		return
	}
	c.in.list = append(c.in.list, letter{from: from, at: time.Now(), parcels: parcels, bytes: len(data)})
	c.in.count += len(parcels)
	c.in.bytes += len(data)
	wake := !c.in.busy
	c.in.busy = true
	s.mu.Unlock()
	if wake {
		s.enqueue(c)
	}
}

// enqueue hands a context to a receiver. There is a place for each context.
func (s *Syncer) enqueue(c *shared) {
	select {
	case s.ready <- c:
	default: // more contexts came and went than there may be: what lies there waits for the next message
		s.mu.Lock()
		c.in.busy = false
		s.mu.Unlock()
	}
}

// takeOpened finds what the validator made of a message.
func (s *Syncer) takeOpened(c *shared, data []byte) ([]replica.Parcel, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range c.in.opened {
		if o := c.in.opened[i]; len(o.data) == len(data) && (&o.data[0] == &data[0] || bytes.Equal(o.data, data)) {
			// Those before it were delivered already, or never will be.
			c.in.opened = append(c.in.opened[:0], c.in.opened[i+1:]...)
			return o.parcels, true
		}
	}
	return nil, false
}

// receiver folds what gossip brings, one context at a time, until ctx ends.
func (s *Syncer) receiver(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-s.ready:
			s.takeIn(ctx, c)
		}
	}
}

// takeIn folds all that lies there, together.
func (s *Syncer) takeIn(ctx context.Context, c *shared) {
	s.mu.Lock()
	letters := c.in.list
	c.in.list, c.in.count, c.in.bytes = nil, 0, 0
	if len(letters) == 0 {
		c.in.busy = false
	}
	s.mu.Unlock()
	if len(letters) == 0 {
		return
	}
	var parcels []replica.Parcel
	for _, l := range letters {
		parcels = append(parcels, l.parcels...)
	}
	got, err := s.deps.Contexts.ReceiveOpened(ctx, c.id, parcels)
	switch {
	case errors.Is(err, replica.ErrContextNotFound):
		s.relookSoon()
	case err != nil && ctx.Err() == nil:
		s.log.Warn().Err(err).Stringer("context", c.id).Msg("deltas of gossip were not taken in; sessions bring them again")
		s.wantSession(c.id, letters[0].from, false)
	}
	if got != nil {
		s.took(c, letters, got)
	}
	s.enqueue(c) // what came meanwhile
}

// took draws the conclusions of what was folded.
func (s *Syncer) took(c *shared, letters []letter, got *replica.Received) {
	now := time.Now()
	for _, l := range letters {
		s.metrics.visible.Observe(now.Sub(l.at).Seconds())
	}
	s.metrics.gossip.WithLabelValues("received").Add(float64(got.New))
	s.metrics.gossip.WithLabelValues("duplicate").Add(float64(got.Duplicate))
	if len(got.Missing) > 0 { // their senders have them: the newest first
		s.mu.Lock()
		c.gapFrom = letters[len(letters)-1].from
		c.gap.Want(now.Add(gapWait))
		s.mu.Unlock()
		s.poke()
	}
	if got.New == 0 {
		return
	}
	s.headsMoved(c.id, "")
	s.know(c.id)
	s.mu.Lock()
	if got.Waiting > len(got.Missing) {
		c.code.Want(now)
		c.keys.Want(now)
		s.poke()
	}
	s.tell()
	s.mu.Unlock()
}
