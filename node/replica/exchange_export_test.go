package replica

import "mero/node/ident"

// Forget drops the graph of a context from memory.
func (s *Set) Forget(id ident.ContextID) {
	r := s.replica(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = nil
}
