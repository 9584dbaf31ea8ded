package blobkit

import "sync"

// chunkTable counts who needs a chunk: manifests, running puts, open readers.
// It is split by the first byte of the id, so that the removal of a file, which
// must happen under the lock (else a put could find the file just before it
// goes), holds up one chunk in 256.
type chunkTable struct {
	shards [256]chunkShard
	remove func(chunkID) // unlinks the file; called with the shard locked
}

type chunkShard struct {
	mu   sync.Mutex
	refs map[chunkID]chunkRef
}

type chunkRef struct {
	count uint32
	// durable: the file and its directory entry are synced. A put that finds a
	// chunk not yet durable writes its own: had it relied on the other put's
	// file, a power cut could take the chunk and leave this put's manifest.
	durable bool
}

func newChunkTable(remove func(chunkID)) *chunkTable {
	t := &chunkTable{remove: remove}
	for i := range t.shards {
		t.shards[i].refs = make(map[chunkID]chunkRef)
	}
	return t
}

// hold counts one more user of the chunk and says whether it is durably there.
func (t *chunkTable) hold(id chunkID) (durable bool) {
	s := &t.shards[id[0]]
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := s.refs[id]
	ref.count++
	s.refs[id] = ref
	return ref.durable
}

// setDurable notes that the file of a held chunk will survive a power cut.
func (t *chunkTable) setDurable(id chunkID) {
	s := &t.shards[id[0]]
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := s.refs[id]
	ref.durable = true
	s.refs[id] = ref
}

// release ends one use; the last one removes the file.
func (t *chunkTable) release(id chunkID) {
	s := &t.shards[id[0]]
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := s.refs[id]
	if ref.count > 1 {
		ref.count--
		s.refs[id] = ref
		return
	}
	delete(s.refs, id)
	t.remove(id)
}

// used reports whether anybody holds the chunk.
func (t *chunkTable) used(id chunkID) bool {
	s := &t.shards[id[0]]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refs[id].count > 0
}

// distinct is the set of chunks a manifest names: one that repeats a chunk
// counts it once.
func distinct(chunks []chunkID) map[chunkID]struct{} {
	set := make(map[chunkID]struct{}, len(chunks))
	for _, id := range chunks {
		set[id] = struct{}{}
	}
	return set
}
