package netkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// maxTopicName is the length of the longest topic name in bytes.
	maxTopicName = 256
	// maxTopicNames is how long all names together may be, each with what the
	// router puts around it: a node tells a new peer all of them in one message,
	// and the router takes none of more than 512 KiB.
	maxTopicNames = 384 << 10
	topicFrame    = 24
)

var (
	// ErrTooLarge says that a message is longer than MaxGossip.
	ErrTooLarge = errors.New("gossip message too large")
	// ErrTooManyTopics says that there is no room for another topic.
	ErrTooManyTopics = errors.New("too many gossip topics")
)

// Verdict is what TopicOptions.Check thinks of a message.
type Verdict uint8

const (
	// Accept delivers the message, and forwards it to others.
	Accept Verdict = iota
	// Ignore drops the message; the peer that sent it may not know better.
	Ignore
	// Reject drops the message, and costs the peer that sent it: whoever forwards
	// should have checked it.
	Reject
)

// TopicOptions is what Join needs. All are required; the functions are called by
// several goroutines, and must not call methods of the Topic.
type TopicOptions struct {
	// Name is the same on all nodes that share the topic, and an unguessable
	// secret of them: 1 to 256 bytes.
	Name string
	// Allow says whether a peer may take part. It is asked each time anything is
	// sent to the peer or comes from it, so it must be quick and may not block.
	// Who is not allowed is sent nothing but that this node subscribes, and what
	// he sends is thrown away unseen.
	Allow func(peer string) bool
	// Check judges a message of an allowed peer before it is delivered or
	// forwarded. It may take a moment, but not wait for anything: up to 1,024
	// messages and 32 MiB of all topics wait for it, and more are lost.
	Check func(from string, data []byte) Verdict
	// Receive gets what Check accepted, in one goroutine, and nothing that this
	// node published. While it takes long, up to 1,024 messages and 32 MiB wait;
	// more are lost. from is who forwarded the message, perhaps not who published it.
	Receive func(from string, data []byte)
}

// Topic is a gossip topic that this node takes part in. Gossip is quick and may
// lose messages: something else must find what is missing.
type Topic struct {
	g    *gossip
	opts TopicOptions
	live atomic.Bool // the router has the subscription

	waiting atomic.Int64 // bytes of messages that wait for Receive

	// guarded by g.joining
	topic *pubsub.Topic
	sub   *pubsub.Subscription
	left  bool
}

// Join takes part in a topic from now on, or once Run runs. Each name can be
// joined once at a time. ErrTooManyTopics comes after some 5,000 topics with names
// of 44 bytes.
func (n *Net) Join(opts TopicOptions) (*Topic, error) {
	switch {
	case opts.Name == "" || len(opts.Name) > maxTopicName:
		return nil, fmt.Errorf("join topic: a name of %d bytes, want 1 to %d", len(opts.Name), maxTopicName)
	case opts.Allow == nil || opts.Check == nil || opts.Receive == nil:
		return nil, errors.New("join topic: Allow, Check and Receive are required")
	case n.isClosing():
		return nil, ErrClosed
	}
	g := n.gossip
	g.joining.Lock()
	defer g.joining.Unlock()
	if g.CanSubscribe(opts.Name) {
		return nil, errors.New("join topic: it was joined before")
	}
	t := &Topic{g: g, opts: opts}
	if !g.add(t) {
		return nil, ErrTooManyTopics
	}
	if err := t.begin(); err != nil {
		g.drop(t)
		return nil, fmt.Errorf("join topic: %w", err)
	}
	return t, nil
}

// add takes a topic in, if there is room for its name.
func (g *gossip) add(t *Topic) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	size := len(t.opts.Name) + topicFrame
	if g.names+size > maxTopicNames {
		return false
	}
	g.names += size
	g.topics[t.opts.Name] = t
	return true
}

// drop forgets a topic.
func (g *gossip) drop(t *Topic) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.names -= len(t.opts.Name) + topicFrame
	delete(g.topics, t.opts.Name)
}

// open sets up the topics that were joined before Run.
func (g *gossip) open() error {
	g.joining.Lock()
	defer g.joining.Unlock()
	g.mu.RLock()
	var topics []*Topic
	for _, t := range g.topics {
		topics = append(topics, t)
	}
	g.mu.RUnlock()
	for _, t := range topics {
		if err := t.begin(); err != nil {
			return fmt.Errorf("join topic: %w", err)
		}
	}
	return nil
}

// begin subscribes, if the router runs and it has not been done. g.joining is held.
func (t *Topic) begin() error {
	t.g.publishing.RLock()
	defer t.g.publishing.RUnlock()
	if !t.g.up || t.topic != nil {
		return nil
	}
	router := t.g.pubsub
	// Inline: the queue in front of the validators then bounds the memory, and
	// messages of a burst are not thrown away for want of goroutines.
	if err := router.RegisterTopicValidator(t.opts.Name, t.validate, pubsub.WithValidatorInline(true)); err != nil {
		return err
	}
	topic, err := router.Join(t.opts.Name)
	if err != nil {
		return errors.Join(err, router.UnregisterTopicValidator(t.opts.Name))
	}
	sub, err := topic.Subscribe(pubsub.WithBufferSize(gossipQueue))
	if err != nil {
		return errors.Join(err, topic.Close(), router.UnregisterTopicValidator(t.opts.Name))
	}
	t.topic, t.sub = topic, sub
	t.live.Store(true)
	t.g.net.start(func(ctx context.Context) { t.receive(ctx, sub) }) // or Run has just ended
	return nil
}

// receive hands on what the router delivers until ctx ends or the topic is left.
func (t *Topic) receive(ctx context.Context, sub *pubsub.Subscription) {
	self := t.g.net.host.ID()
	for {
		m, err := sub.Next(ctx)
		if err != nil {
			return
		}
		if m.ReceivedFrom != self {
			t.opts.Receive(m.ReceivedFrom.String(), m.GetData())
			t.waiting.Add(-int64(len(m.GetData())))
		}
	}
}

func (t *Topic) allows(id peer.ID) bool { return t.opts.Allow(id.String()) }

// validate is the router's validator.
func (t *Topic) validate(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if from == t.g.net.host.ID() {
		return pubsub.ValidationAccept
	}
	t.g.checking.Add(-int64(len(m.GetData())))
	if t.waiting.Load() > maxWaiting {
		t.g.net.metrics.gossip.WithLabelValues(gossipLost).Inc()
		return pubsub.ValidationIgnore
	}
	switch t.opts.Check(from.String(), m.GetData()) {
	case Accept:
		return pubsub.ValidationAccept
	case Reject:
		t.g.net.penalize(from, gossipPenalty, whyGossip)
		return pubsub.ValidationReject
	default:
		return pubsub.ValidationIgnore
	}
}

// Publish sends a message to all allowed peers that this node is connected to and
// that take part; they forward it. That nobody is there is no error. The content
// must not be changed afterwards. The same content again within two minutes is
// not sent again. It waits for the router, usually microseconds. Errors:
// ErrTooLarge, ErrClosed also before Run, that of ctx.
func (t *Topic) Publish(ctx context.Context, data []byte) error {
	if len(data) > MaxGossip {
		return fmt.Errorf("%w: %d bytes of %d", ErrTooLarge, len(data), MaxGossip)
	}
	t.g.publishing.RLock()
	defer t.g.publishing.RUnlock()
	if !t.g.up || !t.live.Load() {
		return fmt.Errorf("publish: %w", ErrClosed)
	}
	batch := new(pubsub.MessageBatch)
	if err := t.topic.AddToBatch(ctx, batch, data); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return t.g.pubsub.PublishBatch(batch, func(o *pubsub.BatchPublishOptions) error {
		o.Strategy = &admitted{topic: t}
		return nil
	})
}

// Peers are the allowed peers that this node is connected to and that take part,
// ascending: whom Publish sends to.
func (t *Topic) Peers() []string {
	t.g.publishing.RLock()
	defer t.g.publishing.RUnlock()
	if !t.g.up {
		return nil
	}
	var peers []string
	for _, id := range t.g.pubsub.ListPeers(t.opts.Name) {
		if t.allows(id) {
			peers = append(peers, id.String())
		}
	}
	slices.Sort(peers)
	return peers
}

// Renew tells that Allow may answer otherwise than before. Who is allowed now
// gets what is published from this moment on, and is in the mesh, hence gets what
// others publish, within 250 ms; who is not allowed any more is out of it within
// 250 ms, and gets nothing that is published from this moment on.
func (t *Topic) Renew() {
	g := t.g
	g.mu.RLock()
	var members []peer.ID
	for id := range g.mesh[t.opts.Name] {
		members = append(members, id)
	}
	g.mu.RUnlock()
	for _, id := range members {
		g.decide(id, t.opts.Name, t.allows(id))
	}
}

// decide notes whether a member of a mesh has to leave it.
func (g *gossip) decide(id peer.ID, topic string, allowed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, member := g.mesh[topic][id]
	if allowed || !member {
		delete(g.cut[id], topic)
		if len(g.cut[id]) == 0 {
			delete(g.cut, id)
		}
		return
	}
	if g.cut[id] == nil {
		g.cut[id] = make(map[string]struct{})
	}
	g.cut[id][topic] = struct{}{}
}

// Leave ends taking part. Receive may be called once more while it returns.
func (t *Topic) Leave() {
	g := t.g
	g.joining.Lock()
	defer g.joining.Unlock()
	if t.left {
		return
	}
	t.left = true
	t.live.Store(false)
	g.drop(t)
	g.publishing.RLock()
	defer g.publishing.RUnlock()
	if t.topic == nil || !g.up {
		return
	}
	t.sub.Cancel()
	if err := errors.Join(g.pubsub.UnregisterTopicValidator(t.opts.Name), t.topic.Close()); err != nil {
		g.net.log.Error().Err(err).Msg("gossip topic is not closed")
	}
}
