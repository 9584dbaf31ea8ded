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
func (t tracer) RejectMessage(_ *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.count(gossipLost)
	case pubsub.RejectValidationIgnored:
		t.count(gossipIgnored)
	default:
		t.count(gossipRejected)
	}
}

// DuplicateMessage implements pubsub.RawTracer.
func (t tracer) DuplicateMessage(*pubsub.Message) { t.count(gossipDuplicate) }

// UndeliverableMessage implements pubsub.RawTracer: the queue to Receive is full.
func (t tracer) UndeliverableMessage(m *pubsub.Message) {
	if m.ReceivedFrom != t.g.net.host.ID() {
		t.count(gossipLost)
	}
}

// DeliverMessage implements pubsub.RawTracer.
func (t tracer) DeliverMessage(m *pubsub.Message) {
	if m.ReceivedFrom == t.g.net.host.ID() {
		t.count(gossipPublished)
	} else {
		t.count(gossipAccepted)
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
func (tracer) SendRPC(*pubsub.RPC, peer.ID) {}
