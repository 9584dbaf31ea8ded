package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"mero/node/sdk/sdktest"
)

func create(b *Boards) error { return b.Create("home", []string{"todo", "doing", "done"}) }

func show(t *testing.T, r *sdktest.Replica[Boards]) *View {
	t.Helper()
	var v *View
	r.View(func(b *Boards) {
		var err error
		if v, err = b.Show("home"); err != nil {
			t.Fatal(err)
		}
	})
	return v
}

func TestOne(t *testing.T) {
	ann := sdktest.New(t, 1, create).Replica(0)
	ann.Must(func(b *Boards) error {
		key, err := b.AddCard("home", "todo", "paint the door")
		if err != nil {
			return err
		}
		for _, err := range []error{
			b.Edit("home", key, 0, 0, "green"), b.Edit("home", key, 0, 5, "blue"),
			b.Label("home", key, "house", true), b.Label("home", key, "odd", true), b.Label("home", key, "odd", false),
			b.AddTask("home", key, "buy paint"), b.AddTask("home", key, "paint"), b.Tick("home", key, 0, true),
			b.Vote("home", key, true), b.Move("home", key, "doing"),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	got := show(t, ann)
	got.Cards[0].Key = ""
	want := &View{Columns: []string{"todo", "doing", "done"}, Cards: []CardView{{
		Title: "paint the door", Column: "doing", Text: "blue", Labels: []string{"house"}, Votes: 1,
		Tasks: []TaskView{{"buy paint", true}, {"paint", false}},
	}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	key := show(t, ann).Cards[0].Key
	for name, call := range map[string]func(b *Boards) error{
		"a board twice":     create,
		"no column":         func(b *Boards) error { _, err := b.AddCard("home", "later", "x"); return err },
		"no board":          func(b *Boards) error { _, err := b.AddCard("away", "todo", "x"); return err },
		"no card":           func(b *Boards) error { return b.Move("home", "x", "done") },
		"an index too high": func(b *Boards) error { return b.Tick("home", key, 9, true) },
	} {
		if err := ann.Do(call); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestMany: three members work on the same cards at once.
func TestMany(t *testing.T) {
	net := sdktest.New(t, 3, create)
	var first, second string
	net.Replica(0).Must(func(b *Boards) (err error) {
		if first, err = b.AddCard("home", "todo", "first"); err != nil {
			return err
		}
		second, err = b.AddCard("home", "todo", "second")
		return err
	})
	net.Settle()
	for i := range 3 {
		r := net.Replica(i)
		r.Must(func(b *Boards) error { return b.Vote("home", first, true) })
		r.Must(func(b *Boards) error { return b.Edit("home", first, 0, 0, strings.Repeat(string(rune('a'+i)), 5)) })
		r.Must(func(b *Boards) error { return b.AddTask("home", first, "task") })
		r.Must(func(b *Boards) error { return b.Label("home", first, []string{"x", "y", "x"}[i], true) })
	}
	// One removes a card that another goes on with.
	net.Replica(0).Must(func(b *Boards) error { return b.RemoveCard("home", second) })
	net.Replica(1).Must(func(b *Boards) error { return b.Edit("home", second, 0, 0, "still here") })
	net.Settle()
	for i := range 3 {
		v := show(t, net.Replica(i))
		if len(v.Cards) != 1 {
			t.Fatalf("replica %d has %+v", i, v.Cards)
		}
		c := v.Cards[0]
		if c.Votes != 3 || len(c.Tasks) != 3 || !slices.Equal(c.Labels, []string{"x", "y"}) {
			t.Errorf("replica %d has %+v", i, c)
		}
		for _, run := range []string{"aaaaa", "bbbbb", "ccccc"} {
			if !strings.Contains(c.Text, run) {
				t.Errorf("replica %d has the text %q", i, c.Text)
			}
		}
	}
}
