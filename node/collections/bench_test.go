package collections_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"mero/node/collections"
)

// filled gives a state with a collection of n entries, and the time after.
func filled(b *testing.B, k collections.Kind, n int) (*collections.Mem, *uint64) {
	b.Helper()
	m, clock := &collections.Mem{}, new(uint64)
	for i := 0; i < n; {
		call(b, m, clock, func(tx *collections.Tx) {
			r := open(b, tx, "c", k, 0)
			switch k {
			case collections.Text:
				must(b, tx.InsertText(r, int64(i), strings.Repeat("0123456789", min(n-i, 100_000)/10)))
				i += 100_000
			case collections.List:
				var values [][]byte
				for range min(n-i, 4000) {
					values = append(values, []byte("a value in a list"))
				}
				must(b, tx.Insert(r, int64(i), values...))
				i += 4000
			default:
				for range min(n-i, 10_000) {
					put(b, tx, r, k, i)
					i++
				}
			}
		})
	}
	return m, clock
}

func put(b *testing.B, tx *collections.Tx, r collections.Ref, k collections.Kind, i int) {
	b.Helper()
	key := fmt.Append(nil, "key-", i)
	if k == collections.Set {
		must1[bool](b)(tx.Add(r, key))
	} else {
		must(b, tx.Put(r, key, []byte("a value in a map")))
	}
}

func call(b *testing.B, m *collections.Mem, clock *uint64, do func(tx *collections.Tx)) []byte {
	b.Helper()
	*clock += 1 << 16
	tx := collections.Begin(m, collections.Origin{Time: *clock, Tag: [8]byte{1}})
	do(tx)
	writes, err := tx.Writes()
	must(b, err)
	m.Apply(writes)
	return tx.Ops()
}

var sizes = []int{1_000, 100_000, 1_000_000}

// BenchmarkCall is one call that changes one thing in a collection of so many, with its writes
// applied: P25's cost without a store.
func BenchmarkCall(b *testing.B) {
	for _, n := range sizes {
		for _, row := range []struct {
			name string
			kind collections.Kind
			do   func(tx *collections.Tx, r collections.Ref, i int)
		}{
			{"map-put", collections.Map, func(tx *collections.Tx, r collections.Ref, i int) { put(b, tx, r, collections.Map, i%n) }},
			{"map-new", collections.Map, func(tx *collections.Tx, r collections.Ref, i int) { put(b, tx, r, collections.Map, n+i) }},
			{"set-add", collections.Set, func(tx *collections.Tx, r collections.Ref, i int) { put(b, tx, r, collections.Set, n+i) }},
			{"text-insert", collections.Text, func(tx *collections.Tx, r collections.Ref, i int) {
				must(b, tx.InsertText(r, int64(i%n), "x"))
			}},
			{"list-insert", collections.List, func(tx *collections.Tx, r collections.Ref, i int) {
				must(b, tx.Insert(r, int64(i%n), []byte("a value")))
			}},
			{"list-set", collections.List, func(tx *collections.Tx, r collections.Ref, i int) {
				must(b, tx.SetAt(r, int64(i%n), []byte("a value")))
			}},
		} {
			b.Run(fmt.Sprintf("%s/%d", row.name, n), func(b *testing.B) {
				m, clock := filled(b, row.kind, n)
				rng := rand.New(rand.NewPCG(1, 1))
				for b.Loop() {
					call(b, m, clock, func(tx *collections.Tx) { row.do(tx, open(b, tx, "c", row.kind, 0), rng.IntN(1<<40)) })
				}
			})
		}
	}
}

// BenchmarkFold folds deltas of 1 and of 1 000 puts into a map of 100 000 entries.
func BenchmarkFold(b *testing.B) {
	for _, each := range []int{1, 1000} {
		b.Run(fmt.Sprint(each), func(b *testing.B) {
			m, clock := filled(b, collections.Map, 100_000)
			before := m.Clone()
			var deltas [][]byte
			rng := rand.New(rand.NewPCG(1, 1))
			for range 10_000/each + 1 {
				deltas = append(deltas, call(b, m, clock, func(tx *collections.Tx) {
					r := open(b, tx, "c", collections.Map, 0)
					for range each {
						put(b, tx, r, collections.Map, rng.IntN(200_000))
					}
				}))
			}
			n := 0
			for b.Loop() {
				writes, err := collections.Fold(before, deltas[n%len(deltas)], collections.Origin{Time: *clock + uint64(n)<<16, Tag: [8]byte{1}})
				must(b, err)
				before.Apply(writes)
				n++
			}
			b.ReportMetric(float64(n*each)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

// BenchmarkTyping is one letter after another, each in a call of its own.
func BenchmarkTyping(b *testing.B) {
	m, clock := filled(b, collections.Text, 100_000)
	at := int64(50_000)
	for b.Loop() {
		call(b, m, clock, func(tx *collections.Tx) {
			must(b, tx.InsertText(open(b, tx, "c", collections.Text, 0), at, "x"))
		})
		at++
	}
	b.ReportMetric(float64(m.Len()), "rows")
}
