package replica

import "mero/node/ident"

// Forget drops the graph of a context from memory.
func (s *Set) Forget(id ident.ContextID) {
	r := s.replica(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = nil
}

// Trim drops graphs until those in memory have at most so many deltas.
func (s *Set) Trim(most int) { s.trim(most) }

// Loaded reports whether the graph of a context is in memory.
func (s *Set) Loaded(id ident.ContextID) bool {
	r := s.replica(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.history != nil
}
