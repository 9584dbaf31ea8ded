package netkit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	// MaxGossip is the length in bytes of the longest gossip message. Deltas of
	// more than 256 KiB are announced by id and pulled (R16); the rest is room
	// for what frames them.
	MaxGossip = 512 << 10
	// gossipFrame is room for what the router puts around a message.
	gossipFrame = 1 << 10

	// heartbeat is how often the mesh is repaired. libp2p's second is for large
	// open networks; two nodes are our normal case.
	heartbeat      = 250 * time.Millisecond
	firstHeartbeat = 20 * time.Millisecond
	// gossipQueue is how many messages may wait for one peer, and for
	// validation. With libp2p's 32, messages are lost from 2,000 a second on.
	gossipQueue = 1024
	// dontSend is from how many bytes on a message that has come is called off
	// at the others. Saying so costs as much as a message of libp2p's 1 KiB.
	dontSend = 16 << 10
	// regraft is how long a peer that was pruned is not taken back. libp2p's
	// minute leaves the mesh of two nodes empty after a reconnect.
	regraft = time.Second

	// gossipProtocol is gossipsub 1.2 under a name of our own: the message limit
	// differs from libp2p's, and floodsub, which it would fall back to, sends to
	// anybody who asks.
	gossipProtocol protocol.ID = "/mero/gossip/1"

	// maxChecking is how many bytes of messages may wait for Check, of all topics,
	// and maxWaiting how many may wait for Receive, of one topic. The router counts
	// messages, and a thousand large ones are half a gigabyte.
	maxChecking = 32 << 20
	maxWaiting  = 32 << 20
)

// gossip is the router (R16) and the topics of a Net. The router asks it, in its
// one goroutine, about everything that comes; see inspect.
type gossip struct {
	net *Net

	// publishing is held for reading by who publishes. The router must not end
	// meanwhile: it would leave him waiting.
	publishing sync.RWMutex
	up         bool
	pubsub     *pubsub.PubSub
	router     *pubsub.GossipSubRouter
	cancel     context.CancelFunc

	checking atomic.Int64 // bytes of messages that wait for Check

	joining sync.Mutex // one topic is set up or taken down at a time

	mu     sync.RWMutex
	topics map[string]*Topic
	names  int // bytes of their names, with frames
	mesh   map[string]map[peer.ID]struct{}
	// cut says from which meshes a peer must go, because it is not allowed any
	// more: its score is negative until the router has pruned it there.
	cut map[peer.ID]map[string]struct{}
}

func newGossip(n *Net) *gossip {
	return &gossip{
		net:    n,
		topics: make(map[string]*Topic),
		mesh:   make(map[string]map[peer.ID]struct{}),
		cut:    make(map[peer.ID]map[string]struct{}),
	}
}

// run starts the router; end ends it.
func (g *gossip) run(ctx context.Context) error {
	params := pubsub.DefaultGossipSubParams()
	params.HeartbeatInterval = heartbeat
	params.HeartbeatInitialDelay = firstHeartbeat
	params.PruneBackoff = regraft
	params.UnsubscribeBackoff = regraft
	// These two are counted in heartbeats; keep their length in time.
	params.HistoryLength *= int(time.Second / heartbeat)
	params.HistoryGossip *= int(time.Second / heartbeat)
	params.IDontWantMessageThreshold = dontSend
	g.publishing.Lock()
	defer g.publishing.Unlock()
	ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx)) // it ends after those who use it
	g.router = pubsub.DefaultGossipSubRouter(g.net.host)
	router, err := pubsub.NewGossipSubWithRouter(ctx, g.net.host, g.router,
		pubsub.WithGossipSubProtocols([]protocol.ID{gossipProtocol}, features),
		pubsub.WithGossipSubParams(params),
		g.router.WithDefaultTagTracer(),
		pubsub.WithPeerScore(g.scoring(), scoreThresholds()),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerOutboundQueueSize(gossipQueue),
		pubsub.WithValidateQueueSize(gossipQueue),
		pubsub.WithMaxMessageSize(MaxGossip+gossipFrame),
		// What travels is signed by its author; the router's own signatures are
		// half of the cost of a message.
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithPeerFilter(g.admits),
		pubsub.WithSubscriptionFilter(g),
		pubsub.WithAppSpecificRpcInspector(g.inspect),
		pubsub.WithRawTracer(tracer{g}),
	)
	if err != nil {
		g.cancel()
		return err
	}
	g.pubsub, g.up = router, true
	return nil
}

func (g *gossip) end() {
	g.publishing.Lock()
	defer g.publishing.Unlock()
	g.up = false
	g.cancel()
}

func features(feature pubsub.GossipSubFeature, _ protocol.ID) bool {
	return feature == pubsub.GossipSubFeatureMesh || feature == pubsub.GossipSubFeatureIdontwant
}

// scoring makes the router's score of a peer out of ours: the router's own
// measures of how many messages a peer forwards would punish a quiet context.
func (g *gossip) scoring() *pubsub.PeerScoreParams {
	return &pubsub.PeerScoreParams{
		Topics:            make(map[string]*pubsub.TopicScoreParams),
		AppSpecificScore:  g.score,
		AppSpecificWeight: 1,
		// Ids announced and not delivered, and grafting again too soon.
		BehaviourPenaltyWeight:    -1,
		BehaviourPenaltyThreshold: 6,
		BehaviourPenaltyDecay:     0.9,
		DecayInterval:             time.Second,
		DecayToZero:               0.01,
		RetainScore:               time.Minute,
	}
}

// scoreThresholds are where the router has less to do with a peer. It never drops
// unseen what a peer sends, which checking would not see go: who is that bad is
// refused altogether.
func scoreThresholds() *pubsub.PeerScoreThresholds {
	return &pubsub.PeerScoreThresholds{GossipThreshold: -20, PublishThreshold: -40, GraylistThreshold: -1e9}
}

// score is what the router thinks of a peer: what it has done, and whether it has
// to leave a mesh.
func (g *gossip) score(id peer.ID) float64 {
	score := g.net.standings.score(id)
	g.mu.RLock()
	defer g.mu.RUnlock()
	if len(g.cut[id]) > 0 {
		score--
	}
	return score
}

// topic is a topic that this node takes part in, or nil.
func (g *gossip) topic(name string) *Topic {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.topics[name]
}

// admits is the router's filter: whom it grafts, announces messages to, takes
// announcements from. It is not asked whom messages are published to; see
// admitted.
func (g *gossip) admits(id peer.ID, topic string) bool {
	t := g.topic(topic)
	return t != nil && t.allows(id)
}

// CanSubscribe implements pubsub.SubscriptionFilter.
func (g *gossip) CanSubscribe(topic string) bool { return g.topic(topic) != nil }

// FilterIncomingSubscriptions implements pubsub.SubscriptionFilter: only of our
// own topics it is kept who subscribes, or a stranger could fill the memory with
// names (CVE-2026-46679).
func (g *gossip) FilterIncomingSubscriptions(_ peer.ID, subs []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	return slices.DeleteFunc(subs, func(s *pb.RPC_SubOpts) bool {
		return s.GetSubscribe() && !g.CanSubscribe(s.GetTopicid())
	}), nil
}

// inspect sees everything that a peer sends before the router does, in the
// router's goroutine.
func (g *gossip) inspect(from peer.ID, rpc *pubsub.RPC) error {
	if g.net.standings.refuses(from) {
		return ErrRefused
	}
	g.net.pulse.of(from).heard()
	rpc.Publish = slices.DeleteFunc(rpc.Publish, func(m *pb.Message) bool {
		// The router marks a message as seen before it is validated: let in from a
		// stranger and then ignored, it would be lost when a member forwards it.
		t := g.topic(m.GetTopic())
		if t == nil || !t.live.Load() || !t.allows(from) {
			g.net.metrics.gossip.WithLabelValues(gossipStranger).Inc()
			if t == nil {
				g.net.penalize(from, topicPenalty, whyTopic)
			}
			return true
		}
		if g.checking.Load() > maxChecking {
			g.net.metrics.gossip.WithLabelValues(gossipLost).Inc()
			return true
		}
		g.checking.Add(int64(len(m.GetData())))
		return false
	})
	g.meet(from, rpc)
	return nil
}

// meet makes good for the filter of subscriptions, which drops what a peer says
// of a topic that this node joins a moment later. Who gets a subscription to a
// topic of his own answers with an empty announcement of messages, and whoever
// gets an announcement or a graft takes it for a subscription. (To a peer that the
// router does not send to yet no answer goes; it will get all subscriptions as the
// first words.)
func (g *gossip) meet(from peer.ID, rpc *pubsub.RPC) {
	ours := func(topic string, of map[string]struct{}) bool {
		_, known := of[topic]
		if known || !g.CanSubscribe(topic) {
			return false
		}
		of[topic] = struct{}{}
		return true
	}
	answered := make(map[string]struct{})
	var answer []*pb.ControlIHave
	for _, s := range rpc.GetSubscriptions() {
		if s.GetSubscribe() && ours(s.GetTopicid(), answered) {
			answer = append(answer, &pb.ControlIHave{TopicID: s.Topicid})
		}
	}
	taken := make(map[string]struct{})
	also := func(topic string) {
		if ours(topic, taken) {
			yes := true
			rpc.Subscriptions = append(rpc.Subscriptions, &pb.RPC_SubOpts{Topicid: &topic, Subscribe: &yes})
		}
	}
	for _, graft := range rpc.GetControl().GetGraft() {
		also(graft.GetTopicID())
	}
	for _, have := range rpc.GetControl().GetIhave() {
		also(have.GetTopicID())
	}
	if len(answer) > 0 {
		g.router.SendControl(from, &pb.ControlMessage{Ihave: answer})
	}
}

// admitted sends what this node publishes. The router publishes to everybody who
// has subscribed; who is not allowed is left out here.
type admitted struct {
	topic *Topic
	to    []peer.ID
	rpcs  []*pubsub.RPC
}

// AddRPC implements pubsub.RPCScheduler.
func (a *admitted) AddRPC(to peer.ID, _ string, rpc *pubsub.RPC) {
	if a.topic.allows(to) {
		a.to, a.rpcs = append(a.to, to), append(a.rpcs, rpc)
	}
}

// All implements pubsub.RPCScheduler.
func (a *admitted) All() iter.Seq2[peer.ID, *pubsub.RPC] {
	return func(yield func(peer.ID, *pubsub.RPC) bool) {
		for i, to := range a.to {
			if !yield(to, a.rpcs[i]) {
				return
			}
		}
	}
}

// messageID is the hash of topic and content. The router marks ids as seen
// before anything is checked, so an id that a sender chooses would let a
// stranger suppress messages of others.
func messageID(m *pb.Message) string {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(m.GetTopic())))
	h.Write(n[:])
	h.Write([]byte(m.GetTopic()))
	h.Write(m.GetData())
	return string(h.Sum(nil))
}
