package history

import (
	"runtime"
	"slices"
	"sync"

	"mero/node/delta"
	"mero/node/store"
)

// MaxLot is how many deltas from elsewhere share a step, and MaxLotBytes how many bytes
// of envelopes, if it is more than one. Of late ones maxLate share a step, and so a
// roll-back (R8); of others so many would keep calls waiting for nothing.
const (
	MaxLot      = 256
	MaxLotBytes = 32 << 20
	maxLate     = 4096
)

// Lot is deltas that came together, for one step.
type Lot struct {
	Parcels []Parcel
	Known   int       // how many more there were that are stored already
	Dropped []Dropped // what was no delta of the context
}

// InSteps divides what came into what may share a step.
func InSteps[D any](all []D, size func(D) int) (steps [][]D) {
	for len(all) > 0 {
		n, bytes := 1, size(all[0])
		for n < min(len(all), MaxLot) && bytes+size(all[n]) <= MaxLotBytes {
			bytes += size(all[n])
			n++
		}
		steps = append(steps, all[:n:n])
		all = all[n:]
	}
	return steps
}

// IsLate reports whether some deltas come before the last one of the state, and those of
// another step may share theirs.
func (l *Lot) IsLate(last delta.Time) bool {
	late, bytes := false, 0
	for i := range l.Parcels {
		late = late || l.Parcels[i].Header.Time <= last
		bytes += len(l.Parcels[i].Raw)
	}
	return late && len(l.Parcels) <= maxLate-MaxLot && bytes <= MaxLotBytes/2
}

// Add puts another lot behind this one.
func (l *Lot) Add(more Lot) {
	l.Parcels, l.Known, l.Dropped = append(l.Parcels, more.Parcels...), l.Known+more.Known, append(l.Dropped, more.Dropped...)
}

// Unpack opens envelopes that were handed to the context of a snapshot, on all cores:
// verifying signatures is most of the work. Those of deltas that are stored already are
// only counted. What is no delta of the context is dropped.
func Unpack(view *store.View, envelopes [][]byte) Lot {
	id, keys := view.Context().ID, &ring{view: view, keys: make(map[delta.EpochID]*delta.EpochKey)}
	fresh := slices.DeleteFunc(slices.Clone(envelopes), func(raw []byte) bool { return isStored(view, raw) })
	all := make([]Parcel, len(fresh))
	errs := make([]error, len(fresh))
	var (
		wg   sync.WaitGroup
		next = make(chan int, len(fresh))
	)
	for i := range fresh {
		next <- i
	}
	close(next)
	for range min(runtime.GOMAXPROCS(0), len(fresh)) {
		wg.Go(func() {
			for i := range next {
				p := &all[i]
				if *p, errs[i] = Open(id, fresh[i]); errs[i] != nil {
					continue
				}
				if key, here := keys.get(p.Header.Epoch); here {
					p.Unseal(*key)
				}
			}
		})
	}
	wg.Wait()
	lot := Lot{Parcels: all[:0], Known: len(envelopes) - len(fresh)}
	for i, p := range all {
		if errs[i] != nil {
			lot.Dropped = append(lot.Dropped, Dropped{ID: p.ID, Author: p.Header.Author, Err: errs[i]})
			continue
		}
		lot.Parcels = append(lot.Parcels, p)
	}
	return lot
}
