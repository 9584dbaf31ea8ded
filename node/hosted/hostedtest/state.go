// Package hostedtest has a replicated state in memory, for tests of what works on
// host-managed collections.
package hostedtest

import (
	"mero/node/collections"
	"mero/node/store"
	"mero/node/vm"
)

// State implements layer.State. It is for one goroutine.
type State struct {
	*collections.Mem

	// Failing is what reading gives; nil: the state can be read.
	Failing error
}

// New is an empty state.
func New() *State { return &State{Mem: &collections.Mem{}} }

// Get implements layer.State.
func (s *State) Get(key []byte) ([]byte, bool, error) {
	if s.Failing != nil {
		return nil, false, s.Failing
	}
	return s.Mem.Get(key)
}

// Range implements layer.State.
func (s *State) Range(prefix, after []byte, limit int) ([]store.KeyValue, error) {
	if s.Failing != nil {
		return nil, s.Failing
	}
	entries, err := s.Mem.Range(prefix, after, limit)
	list := make([]store.KeyValue, len(entries))
	for i, e := range entries {
		list[i] = store.KeyValue(e)
	}
	return list, err
}

// Apply makes the writes. Their olds are not looked at.
func (s *State) Apply(writes []vm.Write) {
	for _, w := range writes {
		if w.Delete {
			s.Delete(w.Key)
		} else {
			s.Put(w.Key, w.Value)
		}
	}
}
