package syncer

import (
	"errors"

	"mero/netkit"
	"mero/node/ident"
	"mero/node/wire"
)

// maxServed is how many sessions, and as many fetches, of a context the nodes of one
// member may have here: it can bind as many as it likes, and is not to have the places
// of all.
const maxServed = 3

// holder is whose nodes are served by a protocol.
type holder struct {
	protocol string
	member   ident.PublicKey
}

// takePlace counts what a peer began, until leave.
func (s *Syncer) takePlace(id ident.ContextID, peer string, p netkit.Protocol) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.boundLink(id, peer)
	if l == nil {
		return nil, refusal(wire.CodeUnbound, errUnbound)
	}
	c, who := l.context, holder{p.ID, l.binding.Member}
	if c.served[who] >= maxServed {
		return nil, refusal(wire.CodeBusy, errors.New("nodes of your member are served enough of that context here"))
	}
	c.served[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.served[who]--; c.served[who] == 0 {
			delete(c.served, who)
		}
	}, nil
}
