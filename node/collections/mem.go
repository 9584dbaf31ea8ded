package collections

import (
	"bytes"
	"maps"
	"slices"
	"sort"
	"strings"
)

// memChunk is how many keys a chunk of a Mem holds before it is split.
const memChunk = 512

// Mem is a [KV] in memory, for tests and for hosts without a store. The zero value is empty. What
// it gives is its own memory and must not be changed.
type Mem struct {
	values map[string][]byte
	chunks [][]string // the keys, ascending; no chunk is empty
}

// Get gives a value.
func (m *Mem) Get(key []byte) (value []byte, ok bool, err error) {
	value, ok = m.values[string(key)]
	return value, ok, nil
}

// Range gives entries in order.
func (m *Mem) Range(prefix, after []byte, limit int) ([]Entry, error) {
	from, inclusive := string(prefix), true
	if after != nil && bytes.Compare(after, prefix) >= 0 {
		from, inclusive = string(after), false
	}
	var found []Entry
	for c := m.chunkOf(from); c < len(m.chunks); c++ {
		chunk := m.chunks[c]
		for i := sort.SearchStrings(chunk, from); i < len(chunk) && len(found) < limit; i++ {
			key := chunk[i]
			if key == from && !inclusive {
				continue
			}
			if !strings.HasPrefix(key, string(prefix)) {
				return found, nil
			}
			found = append(found, Entry{Key: []byte(key), Value: m.values[key]})
		}
		if len(found) >= limit {
			break
		}
	}
	return found, nil
}

// chunkOf gives the chunk that has key or where it would come to.
func (m *Mem) chunkOf(key string) int {
	c := sort.Search(len(m.chunks), func(i int) bool { return m.chunks[i][0] > key })
	return max(c-1, 0)
}

// Apply makes the writes. Their olds are not looked at.
func (m *Mem) Apply(writes []Write) {
	for _, w := range writes {
		if w.HasNew {
			m.Put(w.Key, w.New)
		} else {
			m.Delete(w.Key)
		}
	}
}

// Revert takes writes back, the newest of which must be the last ones that were applied.
func (m *Mem) Revert(writes []Write) {
	for _, w := range slices.Backward(writes) {
		if w.HadOld {
			m.Put(w.Key, w.Old)
		} else {
			m.Delete(w.Key)
		}
	}
}

// Put sets one row, and keeps value.
func (m *Mem) Put(key, value []byte) {
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	if _, ok := m.values[string(key)]; ok {
		m.values[string(key)] = value
		return
	}
	k := string(key)
	m.values[k] = value
	if len(m.chunks) == 0 {
		m.chunks = [][]string{{k}}
		return
	}
	c := m.chunkOf(k)
	chunk := m.chunks[c]
	chunk = slices.Insert(chunk, sort.SearchStrings(chunk, k), k)
	m.chunks[c] = chunk
	if half := len(chunk) / 2; len(chunk) > memChunk {
		m.chunks[c] = slices.Clone(chunk[:half])
		m.chunks = slices.Insert(m.chunks, c+1, slices.Clone(chunk[half:]))
	}
}

// Delete removes one row.
func (m *Mem) Delete(key []byte) {
	k := string(key)
	if _, ok := m.values[k]; !ok {
		return
	}
	delete(m.values, k)
	c := m.chunkOf(k)
	i := sort.SearchStrings(m.chunks[c], k)
	m.chunks[c] = slices.Delete(m.chunks[c], i, i+1)
	if len(m.chunks[c]) == 0 {
		m.chunks = slices.Delete(m.chunks, c, c+1)
	}
}

// Len is the number of rows.
func (m *Mem) Len() int { return len(m.values) }

// Clone gives a copy that changes on its own.
func (m *Mem) Clone() *Mem {
	clone := &Mem{values: maps.Clone(m.values), chunks: make([][]string, len(m.chunks))}
	for i, chunk := range m.chunks {
		clone.chunks[i] = slices.Clone(chunk)
	}
	return clone
}

// Equal tells whether both have the same rows.
func (m *Mem) Equal(other *Mem) bool {
	return maps.EqualFunc(m.values, other.values, bytes.Equal)
}
