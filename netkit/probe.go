package netkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

const (
	// unanswered is how long a peer that something was sent to may say nothing at all
	// before it is asked whether it is there, and lookAgain how often that is looked at.
	unanswered = time.Second
	lookAgain  = 500 * time.Millisecond
	// answers is how long it may take to answer, or answersTrips round trips if that is
	// more. With unanswered it is about three seconds.
	answers      = 2 * time.Second
	answersTrips = 8
	// answersBusy is the same within a frame of a stream: on a slow line the question, or
	// the answer, waits behind what was sent before. answersMost is the most, after
	// which the transports give up as well.
	answersBusy = 15 * time.Second
	answersMost = 30 * time.Second
	// slowest is the line, in bytes a second, that what was sent is thought to wait for.
	slowest = 16 << 10
	// late is by how much a timer may be late before it says more about this machine,
	// which was asleep or is too busy, than about a peer.
	late = time.Second
)

var errOtherPing = errors.New("the answer is not what was asked")

// pulse notices peers that have fallen silent. The transports do as well, but only after
// half a minute, and after a fault of the network they repeat what was lost with
// pauses as long as the fault was: a new connection works at once.
type pulse struct {
	began time.Time
	waits chan struct{} // something that was sent has no answer

	mu    sync.RWMutex
	peers map[peer.ID]*signs
}

// signs are what a peer gives of its life.
type signs struct {
	pulse   *pulse
	since   atomic.Int64 // when the first was sent that has no answer, ns after began; 0: nothing was
	within  atomic.Int32 // frames that are being read and pieces that are being written
	probing atomic.Bool

	mu      sync.Mutex
	backlog float64 // bytes that may wait for a slow line as of filled
	filled  int64
}

func newPulse() *pulse {
	return &pulse{began: time.Now(), waits: make(chan struct{}, 1), peers: make(map[peer.ID]*signs)}
}

func (p *pulse) of(id peer.ID) *signs {
	p.mu.RLock()
	s := p.peers[id]
	p.mu.RUnlock()
	if s != nil {
		return s
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s = p.peers[id]; s == nil {
		s = &signs{pulse: p}
		p.peers[id] = s
	}
	return s
}

// all are the peers at the moment.
func (p *pulse) all() map[peer.ID]*signs {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return maps.Clone(p.peers)
}

func (p *pulse) forget(id peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.peers, id)
}

// now is the time as signs have it, never 0.
func (p *pulse) now() int64 { return int64(time.Since(p.began)) + 1 }

// sent notes that something was sent, of so many bytes.
func (s *signs) sent(bytes int) {
	now := s.pulse.now()
	s.mu.Lock()
	s.backlog, s.filled = s.left(now)+float64(bytes), now
	s.mu.Unlock()
	if s.since.CompareAndSwap(0, now) {
		poke(s.pulse.waits)
	}
}

// left is what of the backlog a slow line has not taken yet. The lock is held.
func (s *signs) left(now int64) float64 {
	return max(0, s.backlog-slowest*time.Duration(now-s.filled).Seconds())
}

// patience is how long the peer may take to answer.
func (s *signs) patience(trip time.Duration) time.Duration {
	limit := max(answers, answersTrips*trip)
	if s.within.Load() > 0 {
		limit = max(limit, answersBusy)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	limit += time.Duration(s.left(s.pulse.now()) / slowest * float64(time.Second))
	return min(limit, answersMost)
}

// heard notes that the peer is there.
func (s *signs) heard() {
	if s.since.Load() != 0 {
		s.since.Store(0)
	}
}

// answered notes that it has got everything that was sent before.
func (s *signs) answered() {
	s.heard()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog = 0
}

// write writes a piece of a stream.
func (s *signs) write(w io.Writer, piece []byte) (int, error) {
	s.sent(len(piece))
	s.within.Add(1)
	defer s.within.Add(-1)
	return w.Write(piece)
}

// watchPulse asks peers that have fallen silent whether they are there, until ctx ends.
// While nothing waits for an answer it does nothing.
func (n *Net) watchPulse(ctx context.Context) {
	look := time.NewTimer(0)
	defer look.Stop()
	<-look.C
	for {
		select {
		case <-n.pulse.waits:
		case <-ctx.Done():
			return
		}
		for again := true; again; {
			due := time.Now().Add(lookAgain)
			look.Reset(lookAgain)
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
			again = n.takePulse(time.Since(due) > late)
		}
	}
}

// takePulse asks whoever has been silent for too long; afresh begins to count anew. It
// reports whether anybody is silent.
func (n *Net) takePulse(afresh bool) (silent bool) {
	now := n.pulse.now()
	for id, s := range n.pulse.all() {
		since := s.since.Load()
		switch {
		case !n.isConnected(id):
			n.pulse.forget(id)
		case since == 0:
		case !n.isKept(id):
			s.heard() // it is left to the transports
		case afresh:
			s.since.CompareAndSwap(since, now)
			silent = true
		default:
			silent = true
			if now-since >= int64(unanswered) && !s.probing.Swap(true) {
				n.start(func(ctx context.Context) { n.probe(ctx, id, s) })
			}
		}
	}
	return silent
}

// probe asks a peer whether it is there. If it does not answer, nor says anything else,
// all its connections are closed; who keeps it dials anew. s.probing is set.
func (n *Net) probe(ctx context.Context, id peer.ID, s *signs) {
	defer s.probing.Store(false)
	limit := s.patience(n.host.Peerstore().LatencyEWMA(id))
	s.since.Store(n.pulse.now())
	began := time.Now()
	err := n.ask(ctx, id, limit)
	took := time.Since(began)
	switch {
	case ctx.Err() != nil, took > limit+late:
	case err == nil:
		s.answered()
	case took < limit: // an error that comes is an answer too, or nothing is left to close
		s.heard()
	case s.since.Load() != 0:
		n.log.Debug().Stringer("peer", id).Dur("silent_ms", took).Msg("peer does not answer, its connections are closed")
		n.metrics.silent.Inc()
		_ = n.host.Network().ClosePeer(id) // they may be gone already
	}
}

// ask sends a peer a few bytes, which come back, and notes how long it took.
func (n *Net) ask(ctx context.Context, id peer.ID, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx = network.WithAllowLimitedConn(network.WithNoDial(ctx, "only who is connected"), "ping")
	stream, err := n.host.NewStream(ctx, id, ping.ID)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = stream.Reset() })() // it ends what waits below
	if err := n.echo(stream); err != nil {
		return errors.Join(err, stream.Reset())
	}
	return stream.Close()
}

func (n *Net) echo(stream network.Stream) error {
	if err := stream.Scope().SetService(ping.ServiceName); err != nil {
		return err
	}
	var question, answer [ping.PingSize]byte
	_, _ = rand.Read(question[:]) // never fails
	began := time.Now()
	if _, err := stream.Write(question[:]); err != nil {
		return err
	}
	if _, err := io.ReadFull(stream, answer[:]); err != nil {
		return err
	}
	if !bytes.Equal(question[:], answer[:]) {
		return errOtherPing
	}
	n.host.Peerstore().RecordLatency(stream.Conn().RemotePeer(), time.Since(began))
	return nil
}
