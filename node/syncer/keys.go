package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/wire"
)

// pullKeys gets keys of epochs that deltas wait for from members (R13): again and
// again, until they are here. It reports whether none is wanted any more.
func (s *Syncer) pullKeys(ctx context.Context, c *shared) bool {
	wants, err := s.deps.Contexts.Wants(ctx, c.id)
	if err != nil {
		return false
	}
	if len(wants.Epochs) == 0 {
		return true
	}
	binding, err := s.binding(c.id)
	if err != nil {
		return false
	}
	for _, peer := range s.sources(c.id) {
		n, err := s.askKeys(ctx, peer, c.id, binding.Member, wants.Epochs)
		s.metrics.exchanges.WithLabelValues(withKeys, outcomeOf(err)).Inc()
		if err != nil {
			s.log.Info().Err(err).Str("peer", peer).Stringer("context", c.id).Msg("keys were not fetched; it is tried again")
			continue
		}
		if n == 0 {
			continue
		}
		s.log.Info().Str("peer", peer).Stringer("context", c.id).Int("keys", n).Msg("keys of epochs fetched")
		s.headsMoved(c.id, "")
		s.know(c.id)
		s.mu.Lock()
		s.tell()
		s.mu.Unlock()
		if wants, err = s.deps.Contexts.Wants(ctx, c.id); err != nil || len(wants.Epochs) == 0 {
			s.mu.Lock()
			c.code.Want(time.Now()) // what was folded may want code
			s.mu.Unlock()
			return err == nil
		}
	}
	return false
}

// askKeys is one exchange of the keys protocol; n is how many keys came.
func (s *Syncer) askKeys(ctx context.Context, peer string, id ident.ContextID, member ident.PublicKey, epochs []delta.EpochID) (n int, err error) {
	t, done, err := s.open(ctx, peer, s.protocols.keys)
	if err != nil {
		return 0, err
	}
	defer done()
	defer func() { err = t.close(err) }()
	ask := &wire.KeysAsk{Version: wire.Version, Context: id, Member: member, Epochs: epochs[:min(len(epochs), wire.MaxIDs)]}
	if err := t.write(ask); err != nil {
		return 0, err
	}
	answer, err := expect[*wire.Keys](t)
	if err != nil {
		return 0, err
	}
	var keys []delta.WrappedKey
	for _, k := range answer.Keys {
		if !slices.Contains(epochs, k.Epoch) {
			return 0, fmt.Errorf("%w: the key of an epoch that was not asked for", errOrder)
		}
		keys = append(keys, delta.WrappedKey{Epoch: k.Epoch, Key: k.Key})
	}
	n, err = s.deps.Contexts.TakeEpochKeys(ctx, id, member, keys)
	if err == nil && n < len(keys) {
		s.deps.Net.Penalize(peer, penaltyMalformed, "key")
	}
	return n, err
}

// serveKeys wraps keys of epochs for the member that a peer is bound as.
func (s *Syncer) serveKeys(_ context.Context, t *talk) error {
	if !s.sharesAny(t.peer) {
		return refusal(wire.CodeUnbound, errUnbound)
	}
	ask, err := expect[*wire.KeysAsk](t)
	if err != nil {
		return err
	}
	if err := s.mayServe(ask.Context, t.peer); err != nil {
		return err
	}
	s.mu.Lock()
	l := s.boundLink(ask.Context, t.peer)
	isMember := l != nil && l.binding.Member == ask.Member
	s.mu.Unlock()
	if !isMember {
		return refusal(wire.CodeUnbound, errors.New("this peer is bound as another member"))
	}
	keys, err := s.deps.Contexts.EpochKeys(ask.Context, ask.Member, ask.Epochs)
	if errors.Is(err, members.ErrNotMember) {
		return refusal(wire.CodeUnbound, err)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(keys, func(a, b delta.WrappedKey) int { return a.Epoch.Compare(b.Epoch) })
	var answer wire.Keys
	for _, k := range keys {
		answer.Keys = append(answer.Keys, wire.Wrapped{Epoch: k.Epoch, Key: k.Key})
	}
	return t.write(&answer)
}
