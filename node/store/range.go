package store

import "bytes"

// Range gives entries of the replicated state whose keys begin with prefix and are
// greater than after (nil: all of them), ascending, at most limit. Keys of more
// than 512 bytes are not among them. The slices are the caller's.
func (v *View) Range(prefix, after []byte, limit int) ([]KeyValue, error) {
	return v.reader.page(spaceState, prefix, after, limit)
}

// Range is View.Range for what the scratch has by itself, removed keys included.
func (sc *Scratch) Range(prefix, after []byte, limit int) ([]ScratchEntry, error) {
	var out []ScratchEntry
	for e, err := range sc.from(start(prefix, after)) {
		switch {
		case err != nil:
			return nil, err
		case len(out) >= limit || len(e.Key) > maxPlainKey || !bytes.HasPrefix(e.Key, prefix):
			return out, nil
		case bytes.Compare(e.Key, after) > 0 || after == nil:
			out = append(out, e)
		}
	}
	return out, nil
}

func (r reader) page(s space, prefix, after []byte, limit int) ([]KeyValue, error) {
	var out []KeyValue
	if limit <= 0 {
		return nil, nil
	}
	for kv, err := range r.scan(s, start(prefix, after)) {
		switch {
		case err != nil:
			return nil, err
		case len(kv.Key) > maxPlainKey || !bytes.HasPrefix(kv.Key, prefix):
			return out, nil
		case bytes.Compare(kv.Key, after) > 0 || after == nil:
			if out = append(out, kv); len(out) >= limit {
				return out, nil
			}
		}
	}
	return out, nil
}

// start is the form at which a range begins.
func start(prefix, after []byte) []byte {
	if bytes.Compare(after, prefix) < 0 {
		after = prefix
	}
	if len(after) > maxPlainKey {
		after = after[:maxPlainKey] // what follows it sorts after this, too
	}
	return bytes.TrimSuffix(appendForm(nil, after), []byte{0x00, 0x01})
}
