package netkit

import (
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// tracer learns from the router who is in which mesh, and counts.
type tracer struct{ g *gossip }

func (t tracer) count(fate string) { t.g.net.metrics.gossip.WithLabelValues(fate).Inc() }

// Graft implements pubsub.RawTracer.
func (t tracer) Graft(id peer.ID, topic string) {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	if t.g.mesh[topic] == nil {
		t.g.mesh[topic] = make(map[peer.ID]struct{})
	}
	t.g.mesh[topic][id] = struct{}{}
	t.links()
}

// Prune implements pubsub.RawTracer.
func (t tracer) Prune(id peer.ID, topic string) {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	t.prune(id, topic)
	t.links()
}

func (t tracer) prune(id peer.ID, topic string) {
	delete(t.g.mesh[topic], id)
	if len(t.g.mesh[topic]) == 0 {
		delete(t.g.mesh, topic)
	}
	delete(t.g.cut[id], topic)
	if len(t.g.cut[id]) == 0 {
		delete(t.g.cut, id)
	}
}

// OnClosedOutboundStream implements pubsub.RawTracer: the peer is gone.
func (t tracer) OnClosedOutboundStream(id peer.ID) {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	for topic := range t.g.mesh {
		t.prune(id, topic)
	}
	delete(t.g.cut, id)
	t.links()
}

// Leave implements pubsub.RawTracer.
func (t tracer) Leave(topic string) {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	for id := range t.g.mesh[topic] {
		t.prune(id, topic)
	}
	t.links()
}

func (t tracer) links() {
	links := 0
	for _, peers := range t.g.mesh {
		links += len(peers)
	}
	t.g.net.metrics.mesh.Set(float64(links))
}

// RejectMessage implements pubsub.RawTracer.
func (t tracer) RejectMessage(m *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationFailed:
		t.count(gossipRejected)
	case pubsub.RejectValidationIgnored:
		t.count(gossipIgnored)
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.checked(m)
		t.count(gossipLost)
	default: // malformed: it did not get to Check
		t.checked(m)
		t.count(gossipRejected)
	}
}

// checked notes that a message does not wait for Check any more.
func (t tracer) checked(m *pubsub.Message) {
	if m.ReceivedFrom != t.g.net.host.ID() {
		t.g.checking.Add(-int64(len(m.GetData())))
	}
}

// DuplicateMessage implements pubsub.RawTracer.
func (t tracer) DuplicateMessage(m *pubsub.Message) {
	t.checked(m)
	t.count(gossipDuplicate)
}

// DeliverMessage implements pubsub.RawTracer: it is put into the queue to Receive.
func (t tracer) DeliverMessage(m *pubsub.Message) {
	if m.ReceivedFrom == t.g.net.host.ID() {
		t.count(gossipPublished)
		return
	}
	t.count(gossipAccepted)
	t.wait(m, 1)
}

// UndeliverableMessage implements pubsub.RawTracer: that queue is full.
func (t tracer) UndeliverableMessage(m *pubsub.Message) {
	if m.ReceivedFrom != t.g.net.host.ID() {
		t.count(gossipLost)
		t.wait(m, -1)
	}
}

func (t tracer) wait(m *pubsub.Message, sign int64) {
	if topic := t.g.topic(m.GetTopic()); topic != nil {
		topic.waiting.Add(sign * int64(len(m.GetData())))
	}
}

// DropRPC implements pubsub.RawTracer: the queue to a peer is full.
func (t tracer) DropRPC(rpc *pubsub.RPC, _ peer.ID) {
	for range rpc.GetPublish() {
		t.count(gossipLost)
	}
}

// OnNewOutboundStream implements pubsub.RawTracer.
func (tracer) OnNewOutboundStream(peer.ID, protocol.ID) {}

// Join implements pubsub.RawTracer.
func (tracer) Join(string) {}

// ValidateMessage implements pubsub.RawTracer.
func (tracer) ValidateMessage(*pubsub.Message) {}

// ThrottlePeer implements pubsub.RawTracer.
func (tracer) ThrottlePeer(peer.ID) {}

// RecvRPC implements pubsub.RawTracer.
func (tracer) RecvRPC(*pubsub.RPC) {}

// SendRPC implements pubsub.RawTracer.
func (t tracer) SendRPC(rpc *pubsub.RPC, to peer.ID) {
	bytes := 0
	for _, m := range rpc.GetPublish() {
		bytes += len(m.GetData())
	}
	t.g.net.pulse.of(to).sent(bytes)
}
