package collections_test

import (
	"testing"

	"mero/node/collections"
)

func TestSmoke(t *testing.T) {
	var m collections.Mem
	o := collections.Origin{Time: 65536 * 1000, Tag: [8]byte{1}}
	tx := collections.Begin(&m, o)
	notes, err := tx.Open(0, []byte("notes"), collections.Map, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Put(notes, []byte("a"), []byte("1")); err != nil {
		t.Fatal(err)
	}
	tags, _ := tx.Open(0, []byte("tags"), collections.Set, 0)
	tx.Add(tags, []byte("x"))
	n, _ := tx.Open(0, []byte("n"), collections.Counter, 0)
	tx.Increase(n, -5)
	title, _ := tx.Open(notes, []byte("title"), collections.Register, 0)
	if err := tx.Store(title, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	w, err := tx.Writes()
	if err != nil {
		t.Fatal(err)
	}
	w2, err := collections.Fold(&m, tx.Ops(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(w) != len(w2) || len(w) == 0 {
		t.Fatal(len(w), len(w2))
	}
	m.Apply(w2)
	o.Time += 65536
	tx = collections.Begin(&m, o)
	notes, err = tx.Open(0, []byte("notes"), collections.Map, 0)
	items, err2 := tx.Scan(notes, nil, nil, 10)
	t.Log(items, err, err2)
	_, err = tx.Open(0, []byte("notes"), collections.List, 0)
	t.Log(err)
	if was, err := tx.Remove(0, []byte("notes")); !was || err != nil {
		t.Fatal(was, err)
	}
	w, err = tx.Writes()
	t.Log(len(w), err)
	for _, x := range w {
		t.Logf("%x %q -> %q", x.Key, x.Old, x.New)
	}
}
