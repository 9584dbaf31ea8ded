package history

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// errUnlabelled is a fault of ours: a delta is judged when all its ancestors are.
var errUnlabelled = errors.New("the membership in the past of a delta is not known")

// FounderOf reads who began the context of a snapshot.
func FounderOf(view *store.View) (members.Founder, error) {
	d, g, err := Genesis(view)
	if err != nil {
		return members.Founder{}, err
	}
	return members.FounderOf(d, &g), nil
}

// Genesis reads the delta that began the context of a snapshot.
func Genesis(view *store.View) (*delta.Delta, delta.Genesis, error) {
	d, payload, err := reopen(view, view.Context().Genesis)
	if err != nil {
		return nil, delta.Genesis{}, err
	}
	g, err := delta.DecodeGenesis(payload)
	if err != nil {
		err = fmt.Errorf("%w: genesis: %w", ErrDamaged, err)
	}
	return d, g, err
}

// reopen reads a stored delta that was folded once, with its payload.
func reopen(view *store.View, id delta.ID) (*delta.Delta, []byte, error) {
	rec, err := view.Delta(id)
	if err != nil {
		return nil, nil, err
	}
	d, err := delta.Reopen(rec.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: delta %s: %w", ErrDamaged, id, err)
	}
	key, err := view.EpochKey(d.Header().Epoch)
	if err != nil {
		return nil, nil, err
	}
	payload, err := d.Payload(key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: delta %s: %w", ErrDamaged, id, err)
	}
	return d, payload, nil
}

// labelAll gives labels to all deltas that were judged: what they did to the membership
// is known by their fates.
func (h *History) labelAll(view *store.View) error {
	for id := range h.Graph.From(delta.Place{}) {
		if h.IsBlocked(id) {
			continue
		}
		n, _ := h.Graph.Get(id)
		label := h.Cut(n.Parents)
		if h.members[id] {
			d, payload, err := reopen(view, id)
			if err != nil {
				return err
			}
			m, err := delta.DecodeMember(payload)
			if err != nil {
				return fmt.Errorf("%w: delta %s: %w", ErrDamaged, id, err)
			}
			header := d.Header()
			change, err := members.EffectOf(&header, m)
			if err != nil {
				return fmt.Errorf("%w: delta %s: %w", ErrDamaged, id, err)
			}
			label = h.Log.With(label, id, change)
		}
		if label == 0 {
			return fmt.Errorf("%w: delta %s: %w", ErrDamaged, id, errUnlabelled)
		}
		h.Graph.SetLabel(id, label)
	}
	h.members = nil
	return nil
}

// Cut is the label of the membership in the past of a delta with these parents: their
// views together. A genesis has none; its view is the first. 0: one of them was not
// judged.
func (h *History) Cut(parents []delta.ID) uint32 {
	if len(parents) == 0 {
		return members.First
	}
	labels := make([]uint32, len(parents))
	for i, p := range parents {
		labels[i] = h.Graph.Label(p)
	}
	return h.Log.Union(labels...)
}

// CutOf is Cut of a connected delta, with the view.
func (h *History) CutOf(id delta.ID) (uint32, *members.View, error) {
	n, _ := h.Graph.Get(id)
	label := h.Cut(n.Parents)
	if label == 0 {
		return 0, nil, fmt.Errorf("delta %s: %w", id, errUnlabelled)
	}
	return label, h.Log.View(label), nil
}

// Judged notes what a delta that was judged made of the membership at its cut.
func (h *History) Judged(id delta.ID, cut uint32, change members.Change) {
	h.Graph.SetLabel(id, h.Log.With(cut, id, change))
}

// View is the membership at the heads of what is in the state.
func (h *History) View() *members.View { return h.Log.View(h.Cut(h.heads())) }

// ViewAt is the membership at the heads of what is in the state up to a place.
func (h *History) ViewAt(until delta.Place) *members.View {
	label := members.First
	for id := range h.Graph.From(delta.Place{}) {
		if h.Place(id).Compare(until) > 0 {
			break
		}
		if !h.IsBlocked(id) {
			label = h.Log.Union(label, h.Graph.Label(id))
		}
	}
	return h.Log.View(label)
}

// Before gives the views of those parents of some deltas that are at or before a place:
// on what somebody builds who folds the deltas after it.
func (h *History) Before(list []delta.ID, from delta.Place, give func(delta.ID, *members.View)) {
	for _, id := range list {
		n, _ := h.Graph.Get(id)
		for _, p := range n.Parents {
			if v := h.Log.View(h.Graph.Label(p)); v != nil && h.Place(p).Compare(from) <= 0 {
				give(p, v)
			}
		}
	}
}

// Memberships are the memberships at the heads of contexts, as they were last asked
// for. It is safe for concurrent use; the zero value knows none.
type Memberships struct {
	mu      sync.Mutex
	known   map[ident.ContextID]membership
	secrets map[ident.ContextID][32]byte
}

type membership struct {
	digest [32]byte // of the record that it was asked for
	view   *members.View
}

// Of is the membership at the heads of a snapshot. What is at rest and is not what its
// digest says is made again from the deltas.
func (m *Memberships) Of(view *store.View) (*members.View, error) {
	rec := view.Context()
	m.mu.Lock()
	known, ok := m.known[rec.ID]
	m.mu.Unlock()
	if ok && known.digest == rec.Members {
		return known.view, nil
	}
	raw, err := view.Members()
	if err != nil {
		return nil, err
	}
	v, err := members.DecodeView(raw)
	if err != nil || members.DigestOf(raw) != rec.Members {
		h, err := Load(view, time.Time{})
		if err != nil {
			return nil, err
		}
		v = h.View()
	}
	m.Put(rec.ID, rec.Members, v)
	return v, nil
}

// Put notes the membership of a context whose record has this digest.
func (m *Memberships) Put(id ident.ContextID, digest [32]byte, v *members.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = make(map[ident.ContextID]membership)
	}
	m.known[id] = membership{digest, v}
}

// Drop forgets a context.
func (m *Memberships) Drop(id ident.ContextID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, id)
	delete(m.secrets, id)
}

// topicSecret is that of a genesis, made the context's own: who knows it could else begin
// another context with it, and members of both would have one topic, and one tag, for two.
func topicSecret(context ident.ContextID, drawn [32]byte) [32]byte {
	mac := hmac.New(sha256.New, drawn[:])
	mac.Write([]byte("mero/secret/v1"))
	mac.Write(context[:])
	return [32]byte(mac.Sum(nil))
}

// Secret is the topic secret of the context of a snapshot, from its genesis (R14).
func (m *Memberships) Secret(view *store.View) ([32]byte, error) {
	id := view.Context().ID
	m.mu.Lock()
	secret, ok := m.secrets[id]
	m.mu.Unlock()
	if ok {
		return secret, nil
	}
	_, g, err := Genesis(view)
	if err != nil {
		return [32]byte{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secrets == nil {
		m.secrets = make(map[ident.ContextID][32]byte)
	}
	m.secrets[id] = topicSecret(id, g.TopicSecret)
	return m.secrets[id], nil
}
