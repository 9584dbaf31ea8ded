package syncer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/netkit"
	"mero/node/admit"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/wire"
)

// ErrUnreachable says that no member's node that could admit was reached.
var ErrUnreachable = errors.New("no member's node could be reached")

// Joined is what became of a join.
type Joined struct {
	Context ident.ContextID
	Member  ident.PublicKey
	// Already: this node holds the context as that member since before.
	Already bool
}

// maxAsked bounds how many nodes one join asks.
const maxAsked = 32

// Join makes a key of this node, that is bound to no context yet, a member by an
// invitation. It asks the nodes whose addresses are in it, then connected peers that
// hold the context, then those that the DHT names. It returns when the admission is
// recorded and the replica exists; the state comes after that (WaitUsable). When the
// connection to somebody breaks off, it begins again, five times at most.
//
// Errors: members.ErrExpired, ErrUsedUp, ErrRevoked, ErrNotForYou, ErrAskIssuer,
// ErrNotAllowed and those of a damaged invitation; *wire.VersionError; ErrUnreachable;
// those of replica.Set.Request and JoinWith; ctx's. Of several, the one of a member's
// node that answered is given.
func (s *Syncer) Join(ctx context.Context, inv members.Invitation, member ident.PublicKey) (Joined, error) {
	if err := inv.Verify(); err != nil {
		return Joined{}, err
	}
	if inv.IsExpired(s.deps.Wall()) {
		return Joined{}, fmt.Errorf("invitation: %w: %s", members.ErrExpired, inv.Expires.Format(time.RFC3339))
	}
	if owned, err := s.deps.Contexts.Owned(inv.Context); err == nil && len(owned) > 0 {
		return Joined{Context: inv.Context, Member: owned[0], Already: true}, nil
	}
	request, err := s.deps.Contexts.Request(inv, member, s.deps.Net.PeerID())
	if err != nil {
		return Joined{}, err
	}
	ask := &wire.Ask{Version: wire.Version, Invitation: inv.Encode(), Request: request.Encode()}
	a := &asking{s: s, inv: inv, member: member, ask: ask, asked: make(map[string]bool), named: make(map[string]bool)}
	return a.run(ctx)
}

// asking is one join: who was asked, and what was said.
type asking struct {
	s       *Syncer
	inv     members.Invitation
	member  ident.PublicKey
	ask     *wire.Ask
	asked   map[string]bool
	named   map[string]bool // whose addresses the issuer signed
	broke   bool            // somebody was reached, and then the connection broke
	refused error           // the best reason so far
	failed  error
}

// errNext says that others may be asked.
var errNext = errors.New("others may be asked")

// tries is how often a join whose connections break begins again, with a pause that
// doubles from pauseFirst.
const (
	tries      = 5
	pauseFirst = time.Second
)

func (a *asking) run(ctx context.Context) (Joined, error) {
	pause := pauseFirst
	for try := 1; ; try++ {
		joined, err := a.round(ctx)
		if err == nil || !a.broke || a.refused != nil || try == tries || ctx.Err() != nil {
			return joined, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return joined, err
		}
		pause *= 2
		a.broke, a.failed = false, nil
		clear(a.asked)
	}
}

// round asks everybody there is, once.
func (a *asking) round(ctx context.Context) (Joined, error) {
	for _, step := range []func(context.Context) (Joined, error){a.byAddresses, a.byPeers, a.byDHT} {
		joined, err := step(ctx)
		if !errors.Is(err, errNext) {
			return joined, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	switch {
	case a.refused != nil:
		return Joined{}, a.refused
	case ctx.Err() != nil:
		return Joined{}, errors.Join(ctx.Err(), a.failed)
	case a.failed != nil:
		return Joined{}, fmt.Errorf("%w: %w", ErrUnreachable, a.failed)
	}
	return Joined{}, fmt.Errorf("%w: the invitation names no address that answers, no connected peer holds the context, and the DHT names nobody", ErrUnreachable)
}

// byAddresses asks those whom the issuer's signature names: all are dialled, and asked
// in the order in which they are named.
func (a *asking) byAddresses(ctx context.Context) (Joined, error) {
	for _, addr := range a.inv.Addrs {
		if id, err := netkit.AddrPeer(addr); err == nil {
			a.named[id] = true
		}
	}
	return a.dial(ctx, a.inv.Addrs)
}

func (a *asking) dial(ctx context.Context, addrs []string) (Joined, error) {
	byPeer := make(map[string][]string)
	var order []string
	for _, addr := range addrs {
		id, err := netkit.AddrPeer(addr)
		if err != nil || id == a.s.deps.Net.PeerID() {
			continue
		}
		if byPeer[id] == nil {
			order = append(order, id)
		}
		byPeer[id] = append(byPeer[id], addr)
	}
	for _, id := range order {
		if a.asked[id] || len(a.asked) >= maxAsked {
			continue
		}
		step, cancel := context.WithTimeout(ctx, a.s.cfg.Timeout)
		_, err := a.s.deps.Net.Connect(step, byPeer[id])
		cancel()
		if err != nil {
			a.asked[id] = true // refusals may name more and more of them
			a.failed = errors.Join(a.failed, err)
			continue
		}
		if joined, err := a.one(ctx, id); !errors.Is(err, errNext) {
			return joined, err
		}
	}
	return Joined{}, errNext
}

// byPeers asks connected peers that show that they hold the context: the invitation is
// a secret, and must not be shown to others.
func (a *asking) byPeers(ctx context.Context) (Joined, error) {
	for _, p := range a.s.deps.Net.Peers() {
		if joined, err := a.oneThatHolds(ctx, p.ID); !errors.Is(err, errNext) {
			return joined, err
		}
	}
	return Joined{}, errNext
}

// byDHT asks those whom the DHT names.
func (a *asking) byDHT(ctx context.Context) (Joined, error) {
	step, cancel := context.WithTimeout(ctx, a.s.cfg.Timeout)
	found, err := a.s.deps.Net.FindProviders(step, wire.Secret(a.inv.Secret).Rendezvous(), maxAsked)
	cancel()
	if err != nil {
		a.failed = errors.Join(a.failed, err)
	}
	for _, id := range found {
		if joined, err := a.oneThatHolds(ctx, id); !errors.Is(err, errNext) {
			return joined, err
		}
	}
	return Joined{}, errNext
}

func (a *asking) oneThatHolds(ctx context.Context, peer string) (Joined, error) {
	if a.asked[peer] || len(a.asked) >= maxAsked || ctx.Err() != nil {
		return Joined{}, errNext
	}
	step, cancel := context.WithTimeout(ctx, a.s.cfg.Timeout)
	defer cancel()
	holds, err := a.s.holds(step, peer, wire.Secret(a.inv.Secret))
	if err != nil && !isForeign(err) {
		a.failed = errors.Join(a.failed, err)
	}
	if !holds {
		return Joined{}, errNext
	}
	return a.one(ctx, peer)
}

// holds asks a peer whether it holds the context with a secret, telling nothing to one
// that does not.
func (s *Syncer) holds(ctx context.Context, peer string, secret wire.Secret) (yes bool, err error) {
	t, done, err := s.open(ctx, peer, s.protocols.hello)
	if err != nil {
		return false, err
	}
	defer done()
	defer func() { err = t.close(err) }()
	hello := wire.Hello{Version: wire.Version}
	_, _ = rand.Read(hello.Nonce[:]) // never fails since Go 1.24
	mine := s.deps.Net.PeerID()
	hello.Tags = []wire.Tag{secret.Tag(mine, peer, hello.Nonce)}
	if err := t.write(&hello); err != nil {
		return false, err
	}
	tags, err := expect[*wire.Tags](t)
	if err != nil {
		return false, err
	}
	if err := t.write(&wire.Bindings{}); err != nil {
		return false, err
	}
	if _, err := expect[*wire.Bindings](t); err != nil {
		return false, err
	}
	return slices.Contains(tags.Tags, secret.Tag(peer, mine, hello.Nonce)), nil
}

// one asks one node. errNext: another may do better.
func (a *asking) one(ctx context.Context, peer string) (Joined, error) {
	a.asked[peer] = true
	got, err := a.s.askAdmission(ctx, peer, a.ask)
	a.s.metrics.exchanges.WithLabelValues(withJoin, outcomeOf(err)).Inc()
	var refused *RefusedError
	if errors.As(err, &refused) {
		return a.consider(ctx, peer, refused)
	}
	if err != nil {
		a.failed = errors.Join(a.failed, fmt.Errorf("%s: %w", peer, err))
		a.broke = a.broke || !isForeign(err)
		return Joined{}, errNext
	}
	in := admit.Admission{
		Genesis: got.Genesis, Delta: got.Admission, App: got.App, Code: got.Code,
		Package: printable(got.Package), Version: printable(got.Version),
	}
	if err := in.Answers(&a.inv); err != nil { // else this key is bound to a context that somebody else chose
		a.failed = errors.Join(a.failed, fmt.Errorf("%s: its answer does not fit: %w", peer, err))
		a.s.deps.Net.Penalize(peer, penaltyMalformed, "admission")
		return Joined{}, errNext
	}
	id, err := a.s.deps.Contexts.JoinWith(ctx, in, a.member)
	if errors.Is(err, replica.ErrContextExists) {
		return Joined{Context: a.inv.Context, Member: a.member, Already: true}, nil
	}
	if err != nil {
		a.failed = errors.Join(a.failed, fmt.Errorf("%s: its answer does not fit: %w", peer, err))
		return Joined{}, errNext
	}
	a.s.joined(ctx, id, peer)
	return Joined{Context: id, Member: a.member}, nil
}

// consider sorts a refusal: final for everybody, if the issuer names that node, or of that
// node alone. Who is named by others may be anybody who once saw an invitation.
func (a *asking) consider(ctx context.Context, peer string, refused *RefusedError) (Joined, error) {
	known := invitationCodes()[refused.Code]
	if refused.Code == wire.CodeVersion {
		known = refused
	}
	err := error(refused)
	if known != nil && refused.Code != wire.CodeVersion {
		err = fmt.Errorf("%w (%w)", known, refused)
	}
	final := []wire.Code{wire.CodeExpired, wire.CodeUsedUp, wire.CodeRevoked, wire.CodeNotForYou, wire.CodeInvalid}
	if a.named[peer] && slices.Contains(final, refused.Code) {
		return Joined{}, err
	}
	// Another member may know more, or be allowed more.
	if known != nil || a.refused == nil {
		a.refused = err
	}
	if len(refused.Addrs) > 0 {
		return a.dial(ctx, refused.Addrs)
	}
	return Joined{}, errNext
}

// askAdmission is one exchange of the join protocol.
func (s *Syncer) askAdmission(ctx context.Context, peer string, ask *wire.Ask) (got *wire.Admitted, err error) {
	t, done, err := s.open(ctx, peer, s.protocols.join)
	if err != nil {
		return nil, err
	}
	defer done()
	defer func() { err = t.close(err) }()
	if err := t.write(ask); err != nil {
		return nil, err
	}
	return expect[*wire.Admitted](t)
}

// joined makes a context take part that has just come into being here, beginning with
// the node that admitted.
func (s *Syncer) joined(ctx context.Context, id ident.ContextID, peer string) {
	if err := s.refresh(ctx); err != nil {
		s.log.Warn().Err(err).Msg("contexts can not be listed")
	}
	lacking := false
	if info, err := s.deps.Contexts.Get(id); err == nil {
		_, err = s.deps.Apps.App(info.App)
		lacking = err != nil
	}
	s.mu.Lock()
	if c := s.contexts[id]; c != nil {
		c.fresh, c.lacking = true, lacking
		c.code.Want(time.Now())
	}
	if p := s.peerOf(peer); p != nil {
		p.connected, p.foreign = true, false
		p.hello.Fresh()
		p.hello.Want(time.Now())
	}
	s.tell()
	s.mu.Unlock()
	s.poke()
	s.log.Info().Stringer("context", id).Str("peer", peer).Msg("admitted to a context")
}

// serveJoin answers somebody who shows an invitation.
func (s *Syncer) serveJoin(ctx context.Context, t *talk) error {
	ask, err := expect[*wire.Ask](t)
	if err != nil {
		return err
	}
	inv, err := members.DecodeInvitation(ask.Invitation)
	if err != nil {
		return refusal(wire.CodeInvalid, err)
	}
	request, err := members.DecodeJoinRequest(ask.Request)
	if err != nil {
		return refusal(wire.CodeInvalid, err)
	}
	if request.Peer != t.peer {
		return refusal(wire.CodeInvalid, fmt.Errorf("join request: %w", members.ErrOtherPeer))
	}
	// Who does not know the topic secret learns nothing, and costs no turn in the queue.
	if secret, err := s.deps.Contexts.Secret(inv.Context); err != nil || secret != inv.Secret {
		return refusal(wire.CodeNotAllowed, errors.New("this node is no member of that context"))
	}
	in, err := s.deps.Contexts.Admit(ctx, inv.Context, inv, request)
	if err != nil {
		return s.refuseJoin(inv, err)
	}
	s.log.Info().Stringer("context", inv.Context).Str("peer", t.peer).Stringer("member", request.Member).Msg("a member was admitted")
	return t.write(&wire.Admitted{
		Genesis: in.Genesis, Admission: in.Delta, App: in.App, Code: in.Code, Package: in.Package, Version: in.Version,
	})
}

// refuseJoin finds the words for a join that was not to be. What the inviter can not
// help is no news to a stranger.
func (s *Syncer) refuseJoin(inv members.Invitation, err error) error {
	for code, known := range invitationCodes() {
		if errors.Is(err, known) {
			var addrs []string
			if code == wire.CodeAskIssuer {
				addrs = s.addrsOf(inv)
			}
			return &refuse{code: code, err: known, addrs: addrs}
		}
	}
	switch {
	case errors.Is(err, members.ErrIssuer):
		return refusal(wire.CodeNotAllowed, members.ErrIssuer)
	case errors.Is(err, replica.ErrContextNotFound):
		return refusal(wire.CodeNotAllowed, errors.New("this node is no member of that context"))
	case errors.Is(err, members.ErrMismatch), errors.Is(err, members.ErrTicket), errors.Is(err, members.ErrOtherContext), errors.Is(err, members.ErrSignature), errors.Is(err, members.ErrMalformed):
		return refusal(wire.CodeInvalid, err)
	case errors.Is(err, replica.ErrBusy):
		return refusal(wire.CodeBusy, err)
	}
	s.log.Warn().Err(err).Stringer("context", inv.Context).Msg("somebody with an invitation could not be admitted")
	return refusal(wire.CodeFailed, errors.New("this node can not admit anybody just now"))
}

// addrsOf are addresses of the issuer of an invitation, as far as it is connected.
func (s *Syncer) addrsOf(inv members.Invitation) []string {
	s.mu.Lock()
	var ids []string
	if c := s.contexts[inv.Context]; c != nil {
		now := s.deps.Wall()
		for _, l := range c.sorted() {
			if l.isBound(now) && l.binding.Member == inv.Issuer {
				ids = append(ids, l.peer.id)
			}
		}
	}
	s.mu.Unlock()
	var out []string
	for _, p := range s.deps.Net.Peers() {
		if addr := p.Addr + "/p2p/" + p.ID; slices.Contains(ids, p.ID) && len(out) < wire.MaxAddrs && len(addr) <= wire.MaxAddr {
			if _, err := netkit.AddrPeer(addr); err == nil {
				out = append(out, addr)
			}
		}
	}
	return out
}

// isForeign reports whether a peer does not speak our protocols at all.
func isForeign(err error) bool { return errors.Is(err, netkit.ErrProtocol) }
