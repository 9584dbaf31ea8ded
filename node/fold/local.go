package fold

import "mero/node/vm"

// LocalWrites finds what a delta changes in the node-local keys (R6): those
// that the call (nil: none) wrote and that are absent from the replicated state after the
// apply are kept here; those that the delta creates are no longer local.
// With private, the application keeps private data elsewhere, and the call's are none.
func (s *State) LocalWrites(done, called *vm.Outcome, private bool) ([]vm.Write, error) {
	var out []vm.Write
	replicated := make(map[string]bool, len(done.Writes))
	for _, w := range done.Writes {
		replicated[string(w.Key)] = !w.Delete
		if w.Delete {
			continue
		}
		old, had, err := s.Local.Get(w.Key)
		if err != nil {
			return nil, err
		}
		if had {
			out = append(out, vm.Write{Key: w.Key, Old: old, HadOld: true, Delete: true})
		}
	}
	if called == nil || private {
		return out, nil
	}
	for _, w := range called.Writes {
		there, known := replicated[string(w.Key)]
		if !known {
			var err error
			if _, there, err = s.Values.Get(w.Key); err != nil {
				return nil, err
			}
		}
		if there {
			continue
		}
		old, had, err := s.Local.Get(w.Key)
		if err != nil {
			return nil, err
		}
		if had || !w.Delete {
			out = append(out, vm.Write{Key: w.Key, Value: w.Value, Delete: w.Delete, Old: old, HadOld: had})
		}
	}
	return out, nil
}

// PutLocal changes node-local keys.
func (s *State) PutLocal(writes []vm.Write) {
	for _, w := range writes {
		s.Local.Put(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
	}
}

// Unlocal removes node-local keys that a delta creates in the replicated state
// (R6).
func (s *State) Unlocal(done Effect) error {
	local, err := s.LocalWrites(done.Out, nil, true)
	if err != nil {
		return err
	}
	s.PutLocal(local)
	return nil
}
