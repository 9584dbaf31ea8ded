package inspect

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"mero/node/api"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

// entry is what the index has of one delta. There may be a million of them, so it
// has no pointers.
type entry struct {
	place    delta.Place
	writer   uint32 // in index.writers; noWriter when its header cannot be read
	children uint32
	fate     store.Fate
	forked   bool
}

const noWriter = ^uint32(0)

// index is the graph of a context as of one step, without payloads.
type index struct {
	context ident.ContextID
	created time.Time // tells a context from one that was deleted
	step    uint64
	entries []entry // in canonical order
	writers []delta.Writer
	// missing are the parents of waiting deltas that are not here.
	missing map[delta.ID][]delta.ID
	waits   map[string]int // waiting deltas by what they wait for
	forks   []fork
}

// fork is a number that a writer used more than once.
type fork struct {
	writer  uint32
	seq     uint64
	entries []uint32
}

// checkEvery is after how many deltas a sweep looks at its context.
const checkEvery = 4096

// newIndex reads the headers of a context.
func newIndex(ctx context.Context, view *store.View) (*index, error) {
	rec := view.Context()
	b := indexer{
		index: &index{
			context: rec.ID, created: rec.Created, step: rec.Step,
			missing: make(map[delta.ID][]delta.ID), waits: make(map[string]int),
		},
		places: make(map[delta.ID]uint32), writerIDs: make(map[delta.Writer]uint32),
		stray: make(map[numbered]uint32), forked: make(map[numbered]int),
	}
	for r, err := range view.Headers(0) {
		if err == nil && len(b.index.entries)%checkEvery == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		b.add(&r)
	}
	b.settle()
	return b.index, nil
}

// indexer is an index that is being made.
type indexer struct {
	index     *index
	places    map[delta.ID]uint32
	writerIDs map[delta.Writer]uint32
	// made are the deltas of each writer by number, from 1 without a gap; stray are
	// those behind one, which only deltas that wait can have.
	made   [][]uint32
	stray  map[numbered]uint32
	forked map[numbered]int // places in index.forks
}

// numbered is a writer's number.
type numbered struct {
	writer uint32
	seq    uint64
}

func (b *indexer) add(r *store.DeltaRecord) {
	at := uint32(len(b.index.entries))
	e := entry{place: delta.Place{Time: r.Time, ID: r.ID}, writer: noWriter, fate: r.Fate}
	h, id, err := delta.HeaderOf(r.Bytes)
	if err == nil && id == r.ID {
		e.writer = b.writer(h.Writer())
		e.forked = b.number(numbered{e.writer, h.Seq}, at)
		for _, parent := range h.Parents {
			if p, ok := b.places[parent]; ok {
				b.index.entries[p].children++
			} else if r.Fate == store.FateWaiting {
				b.index.missing[r.ID] = append(b.index.missing[r.ID], parent)
			}
		}
	}
	if r.Fate == store.FateWaiting {
		kind, _, _ := splitReason(r.Reason)
		b.index.waits[kind]++
	}
	b.places[r.ID] = at
	b.index.entries = append(b.index.entries, e)
}

func (b *indexer) writer(w delta.Writer) uint32 {
	at, known := b.writerIDs[w]
	if !known {
		at = uint32(len(b.index.writers))
		b.writerIDs[w] = at
		b.index.writers = append(b.index.writers, w)
		b.made = append(b.made, nil)
	}
	return at
}

// number enters a writer's number and reports whether it was used before.
func (b *indexer) number(n numbered, at uint32) bool {
	var first uint32
	used := true
	switch made := b.made[n.writer]; {
	case n.seq >= 1 && n.seq-1 < uint64(len(made)):
		first = made[n.seq-1]
	default:
		if first, used = b.stray[n]; used {
			break
		}
		if n.seq-1 == uint64(len(made)) {
			b.made[n.writer] = append(made, at)
		} else {
			b.stray[n] = at
		}
	}
	if !used {
		return false
	}
	i, known := b.forked[n]
	if !known {
		i = len(b.index.forks)
		b.forked[n] = i
		b.index.forks = append(b.index.forks, fork{writer: n.writer, seq: n.seq, entries: []uint32{first}})
		b.index.entries[first].forked = true
	}
	b.index.forks[i].entries = append(b.index.forks[i].entries, at)
	return true
}

// settle ends the work: a parent that stands behind its child, which no rule
// allows, is here all the same.
func (b *indexer) settle() {
	for id, parents := range b.index.missing {
		parents = slices.DeleteFunc(parents, func(p delta.ID) bool { _, here := b.places[p]; return here })
		if b.index.missing[id] = parents; len(parents) == 0 {
			delete(b.index.missing, id)
		}
	}
}

// before is the number of entries that are older than a time.
func (x *index) before(t delta.Time) int {
	at, _ := slices.BinarySearchFunc(x.entries, t, func(e entry, t delta.Time) int { return cmp.Compare(e.place.Time, t) })
	return at
}

// find is the place of a delta, or -1.
func (x *index) find(id delta.ID) int {
	return slices.IndexFunc(x.entries, func(e entry) bool { return e.place.ID == id })
}

func (x *index) author(e *entry) (ident.PublicKey, bool) {
	if e.writer == noWriter {
		return ident.PublicKey{}, false
	}
	return x.writers[e.writer].Author, true
}

// summary counts; rec is the record of the same view.
func (x *index) summary(rec *store.Context) *api.DagSummary {
	s := &api.DagSummary{
		RootHash: api.Hash(rec.Root), WaitsFor: x.waits, Heads: hashes(rec.Heads), Writers: len(x.writers),
		Forks: len(x.forks), ForkList: []api.DagFork{},
	}
	for i := range x.entries {
		switch x.entries[i].fate {
		case store.FateVoid:
			s.Void++
		case store.FateWaiting:
			s.Waiting++
		default:
			s.Folded++
		}
	}
	authors := make(map[ident.PublicKey]struct{})
	for _, w := range x.writers {
		authors[w.Author] = struct{}{}
	}
	s.Authors = len(authors)
	for _, f := range x.forks[:min(len(x.forks), api.MaxForkList)] {
		w := x.writers[f.writer]
		out := api.DagFork{Author: w.Author, Incarnation: w.Incarnation.String(), Seq: f.seq}
		for _, at := range f.entries {
			out.Deltas = append(out.Deltas, api.Hash(x.entries[at].place.ID))
		}
		s.ForkList = append(s.ForkList, out)
	}
	return s
}

// splitReason takes apart why a delta waits: the kind, the words, and since when,
// zero when that is not said (R4: replica writes "kind: words; since TIME").
func splitReason(reason string) (kind, words string, since time.Time) {
	const sinceWord = "; since "
	kind, words, found := strings.Cut(reason, ": ")
	if !found || strings.ContainsAny(kind, " ;") {
		return "other", reason, time.Time{}
	}
	if i := strings.LastIndex(words, sinceWord); i >= 0 {
		if at, err := time.Parse(time.RFC3339, words[i+len(sinceWord):]); err == nil {
			words, since = words[:i], at
		}
	}
	return kind, words, since
}

func hashes(ids []delta.ID) []api.Hash {
	out := make([]api.Hash, 0, len(ids))
	for _, id := range ids {
		out = append(out, api.Hash(id))
	}
	return out
}
