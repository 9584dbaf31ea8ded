package collections_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"mero/node/collections"
)

func TestTextSmoke(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var m collections.Mem
		o := collections.Origin{Time: 65536 * 1000, Tag: [8]byte{1}}
		var model []rune
		for d := range 40 {
			o.Time += 65536
			o.Tag[0] = byte(rng.IntN(3))
			tx := collections.Begin(&m, o)
			r, err := tx.Open(0, []byte("t"), collections.Text, 0)
			if err != nil {
				t.Fatal(err)
			}
			for range rng.IntN(5) {
				if rng.IntN(3) > 0 || len(model) == 0 {
					at := rng.IntN(len(model) + 1)
					s := strings.Repeat(string(rune('a'+rng.IntN(26))), 1+rng.IntN(3))
					if rng.IntN(10) == 0 {
						s = strings.Repeat("äxy", rng.IntN(1+[]int{10, 10000}[rng.IntN(2)]))
					}
					model = append(model[:at:at], append([]rune(s), model[at:]...)...)
					if err := tx.InsertText(r, int64(at), s); err != nil {
						t.Fatal(err)
					}
				} else {
					at := rng.IntN(len(model))
					n := rng.IntN(min(len(model)-at, 1+[]int{10, 10000}[rng.IntN(2)]) + 1)
					model = append(model[:at:at], model[at+n:]...)
					if err := tx.RemoveText(r, int64(at), int64(n)); err != nil {
						t.Fatal(err)
					}
				}
			}
			n, err := tx.Len(r)
			if err != nil || n != int64(len(model)) {
				t.Fatal(seed, d, n, len(model), err)
			}
			got, err := tx.Slice(r, 0, n)
			if err != nil || got != string(model) {
				t.Fatal(seed, d, err, fmt.Sprintf("%.100q %.100q", got, string(model)))
			}
			w, err := tx.Writes()
			if err != nil {
				t.Fatal(err)
			}
			w2, err := collections.Fold(&m, tx.Ops(), o)
			if err != nil || len(w) != len(w2) {
				t.Fatal(err)
			}
			m.Apply(w2)
		}
	}
}

func BenchmarkTextRandom(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var m collections.Mem
	o := collections.Origin{Time: 65536 * 1000, Tag: [8]byte{1}}
	fill := func(s string, at int64) {
		o.Time += 65536
		tx := collections.Begin(&m, o)
		r, _ := tx.Open(0, []byte("t"), collections.Text, 0)
		if err := tx.InsertText(r, at, s); err != nil {
			b.Fatal(err)
		}
		w, err := tx.Writes()
		if err != nil {
			b.Fatal(err)
		}
		m.Apply(w)
	}
	fill(strings.Repeat("0123456789", 10000), 0)
	n := int64(100000)
	for b.Loop() {
		fill("x", rng.Int64N(n))
		n++
	}
	b.Log(m.Len(), n)
}
