//go:build !wasip1

package sdktest_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mero/node/sdk"
	"mero/node/sdk/sdktest"
)

// App has collections of all kinds.
type App struct {
	Value   sdk.Value[[]int]
	Once    sdk.Once[string]
	Map     sdk.Map[*int]
	Log     sdk.OnceMap[string]
	Set     sdk.Set
	Counter sdk.Counter
	List    sdk.List[string]
	Text    sdk.Text
	Parts   sdk.MapOf[Part] `mero:"p"`
	Rows    sdk.ListOf[sdk.Counter]
	Own     sdk.Members[sdk.Value[string]]
	Inner   Part
	Draft   sdk.Private[int]
	Done    sdk.Event[int]
}

// Part is a struct of collections.
type Part struct {
	Name sdk.Value[string]
	Subs sdk.MapOf[sdk.ListOf[sdk.Set]]
}

// OnDone handles Done: a chain of handlers, if nobody ended it.
func (a *App) OnDone(n int) error {
	a.Counter.Add(int64(n))
	a.Done.Emit(n)
	return nil
}

// Sum is for Call.
func (a *App) Sum(numbers []int, scale *int) (map[string]int, error) {
	sum := 0
	for _, n := range numbers {
		sum += n
	}
	if scale == nil {
		return nil, &sdk.Error{Kind: "NoScale"}
	}
	return map[string]int{"sum": sum * *scale}, nil
}

// TestCollections: what is written is there, in the call and in the next, and in
// every replica.
func TestCollections(t *testing.T) {
	net := sdktest.New[App](t, 2, nil)
	seven := 7
	other := net.Replica(1).Member()
	write := func(a *App) error {
		a.Value.Set([]int{1, 2})
		a.Once.Set("first")
		a.Map.Put("seven", &seven)
		a.Map.Put("none", nil)
		a.Log.Put("a", "b")
		a.Set.Add("y")
		a.Set.Add("x")
		a.Set.Add("z")
		a.Set.Remove("z")
		a.Counter.Add(5)
		a.Counter.Add(-2)
		a.List.Append("b", "c", "e")
		a.List.Insert(0, "a")
		a.List.Set(3, "d")
		a.List.Remove(1, 1)
		a.Text.Append("grün und blau")
		a.Text.Remove(4, 4)
		a.Text.Insert(0, "»")
		a.Parts.At("k").Name.Set("part")
		a.Parts.At("k").Subs.At("l").Append().Add("deep")
		a.Parts.At("gone").Name.Set("x")
		a.Parts.Remove("gone")
		a.Rows.Append().Add(1)
		first := a.Rows.At(0)
		a.Rows.Insert(0).Add(2)
		first.Add(10) // it moved, and is still the same
		a.Own.Mine().Set("mine")
		a.Inner.Name.Set("inner")
		return nil
	}
	check := func(a *App) error {
		var got []string
		say := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
		value, ok := a.Value.Get()
		once, _ := a.Once.Get()
		say("%v %v %v %v", value, ok, once, a.Value.Or(nil))
		for key, n := range a.Map.All() {
			say("%s %v", key, n != nil && *n == 7)
		}
		_, ok = a.Map.Get("absent")
		say("%v %v %v %d", ok, a.Map.Has("none"), a.Log.Has("x"), a.Map.Len())
		say("%v %d %d", slices.Collect(a.Set.All()), a.Set.Len(), a.Counter.Value())
		for i, s := range a.List.All() {
			say("%d%s", i, s)
		}
		say("%s %d %s", a.Text.String(), a.Text.Len(), a.Text.Slice(1, 4))
		for key, p := range a.Parts.All() {
			say("%s %s %v", key, p.Name.Or(""), slices.Collect(p.Subs.At("l").At(0).All()))
		}
		for i, c := range a.Rows.All() {
			say("%d:%d", i, c.Value())
		}
		for id, v := range a.Own.All() {
			say("%v %s %d", id == net.Replica(0).Member(), v.Or(""), a.Own.Len())
		}
		say("%s %q", a.Inner.Name.Or(""), a.Own.Of(other).Or("nothing"))
		want := "[1 2] true first [1 2], none false, seven true, false true false 2, [x y] 2 3, 0a, 1c, 2d, »grün blau 10 grün, " +
			"k part [deep], 0:2, 1:11, true mine 1, inner \"nothing\""
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		return nil
	}
	net.Replica(0).Must(func(a *App) error { return errors.Join(write(a), check(a)) })
	net.Settle()
	for i := range 2 {
		net.Replica(i).View(func(a *App) { _ = check(a) })
	}
}

// TestPages: iteration goes through all pages, between bounds, and ends when told.
func TestPages(t *testing.T) {
	app := sdktest.New[App](t, 1, nil).Replica(0)
	app.Must(func(a *App) error {
		for i := range 3000 {
			a.Set.Add(fmt.Sprintf("%04d", i))
			a.List.Append(strconv.Itoa(i))
		}
		return nil
	})
	app.View(func(a *App) {
		n := 0
		for s := range a.Set.All() {
			if s != fmt.Sprintf("%04d", n) {
				t.Fatalf("element %d is %s", n, s)
			}
			n++
		}
		if got := slices.Collect(a.Set.Range("0997", "1001")); n != 3000 || !slices.Equal(got, []string{"0998", "0999", "1000"}) {
			t.Errorf("%d elements; between two there are %v", n, got)
		}
		n = 0
		for i, s := range a.List.Range(10, 2500) {
			if s != strconv.Itoa(i) {
				t.Fatalf("element %d is %s", i, s)
			}
			if n++; n == 2000 {
				break
			}
		}
		if n != 2000 {
			t.Errorf("%d elements of the list", n)
		}
	})
}

// TestRefused: what the host refuses ends the call, and undoes it.
func TestRefused(t *testing.T) {
	net := sdktest.New[App](t, 2, nil)
	app := net.Replica(0)
	app.Must(func(a *App) error {
		a.Once.Set("x")
		a.Log.Put("x", "x")
		a.List.Append("x")
		return nil
	})
	for name, call := range map[string]func(*App){
		"no key":               func(a *App) { a.Map.Put("", nil) },
		"a long key":           func(a *App) { a.Map.Put(strings.Repeat("x", 481), nil) },
		"a large value":        func(a *App) { a.Once.Set(strings.Repeat("x", 2<<20)) },
		"once twice":           func(a *App) { a.Once.Set("y") },
		"a log changed":        func(a *App) { a.Log.Put("x", "y") },
		"behind the end":       func(a *App) { a.List.At(1) },
		"before the beginning": func(a *App) { a.List.Remove(-1, 1) },
		"text behind the end":  func(a *App) { a.Text.Insert(1, "x") },
		"no UTF-8":             func(a *App) { a.Text.Append("\xff") },
		"another member's":     func(a *App) { a.Own.Of(net.Replica(1).Member()).Set("x") },
		"a large event":        func(a *App) { sdk.Emit("x", make([]byte, 1<<20)) },
	} {
		err := app.Do(func(a *App) error {
			a.Counter.Add(1)
			call(a)
			return nil
		})
		var refused *sdktest.RefusedError
		if !errors.As(err, &refused) || refused.Error() == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	failed := errors.New("failed")
	if err := app.Do(func(a *App) error { a.Counter.Add(1); return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	app.View(func(a *App) {
		if n := a.Counter.Value(); n != 0 {
			t.Errorf("failed calls counted %d", n)
		}
	})
}

// TestPrivate: private values stay on their replica, and are kept with a change.
func TestPrivate(t *testing.T) {
	net := sdktest.New[App](t, 2, nil)
	net.Replica(0).Must(func(a *App) error {
		a.Draft.Put("k", 7)
		a.Draft.Put("gone", 1)
		a.Draft.Remove("gone")
		a.Counter.Add(1)
		return nil
	})
	_ = net.Replica(0).Do(func(a *App) error { a.Draft.Put("k", 8); return errors.New("failed") })
	net.Settle()
	for i, want := range []string{"7 true, gone: false", "0 false, gone: false"} {
		net.Replica(i).View(func(a *App) {
			n, ok := a.Draft.Get("k")
			_, gone := a.Draft.Get("gone")
			if got := fmt.Sprintf("%d %v, gone: %v", n, ok, gone); got != want {
				t.Errorf("replica %d has %s, want %s", i, got, want)
			}
		})
	}
}

// TestHandlers: others run a handler once each, and chains end.
func TestHandlers(t *testing.T) {
	net := sdktest.New[App](t, 3, nil)
	net.Replica(0).Must(func(a *App) error { a.Done.Emit(1); return nil })
	net.Settle()
	// Two of the first, four of those, eight of these; theirs have no handlers.
	net.Replica(0).View(func(a *App) {
		if n := a.Counter.Value(); n != 2+4+8 {
			t.Errorf("handlers ran %d times", n)
		}
	})
	events := net.Replica(1).Events()
	if len(events) != 1+2+4+8 || events[0].Kind != "done" || string(events[0].Data) != "1" || events[0].Author != net.Replica(0).Member() {
		t.Errorf("%d events, the first is %+v", len(events), events[0])
	}
}

// TestCall calls by name, as clients do.
func TestCall(t *testing.T) {
	app := sdktest.New[App](t, 1, nil).Replica(0)
	if got, err := app.Call("sum", []int{1, 2}, 3); err != nil || string(got) != `{"sum":9}` {
		t.Errorf("got %s, %v", got, err)
	}
	var known *sdk.Error
	if _, err := app.Call("sum", nil, nil); !errors.As(err, &known) || known.Kind != "NoScale" {
		t.Errorf("got %v", err)
	}
	for _, args := range [][]any{{[]int{1}}, {"x", 1}} {
		if _, err := app.Call("sum", args...); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	if _, err := app.Call("Sum", nil, nil); err == nil {
		t.Error("a method has another name for clients")
	}
}

// TestEnvironment: who, where, when.
func TestEnvironment(t *testing.T) {
	net := sdktest.New[App](t, 2, nil)
	var keys []string
	for i := range 2 {
		r := net.Replica(i)
		r.Must(func(*App) error {
			if sdk.Executor() != r.Member() || sdk.Context() != net.Context() || len(sdk.AllMembers()) != 2 || !sdk.IsMember(r.Member()) || sdk.IsMember(net.Context()) {
				t.Error("somebody is somebody else")
			}
			if a, b := sdk.Now(), sdk.Now(); !b.After(a) || a.Year() < 2026 {
				t.Errorf("%v, then %v", a, b)
			}
			keys = append(keys, sdk.NewKey(), sdk.NewKey())
			if _, byCall := sdk.Origin(); byCall || len(sdk.Random(9)) != 9 {
				t.Error("there is an origin, or no randomness")
			}
			sdk.Log("line")
			sdk.Call(net.Context(), "m", sdk.Args{"b": []any{1, "x", nil}, "a": sdk.Args{"id": r.Member()}, "c": []string{"é"}})
			return nil
		})
	}
	if !slices.IsSorted(keys) || len(keys[0]) != 24 || keys[0] == keys[1] {
		t.Errorf("keys %v", keys)
	}
	r := net.Replica(0)
	want := `{"a":{"id":"` + r.Member().String() + `"},"b":[1,"x",null],"c":["é"]}`
	if calls := r.Calls(); len(calls) != 1 || string(calls[0].Args) != want || calls[0].Method != "m" || len(r.Logs()) != 1 {
		t.Errorf("calls %+v, logs %v; want %s", calls, r.Logs(), want)
	}
}

func TestID(t *testing.T) {
	for text, want := range map[string]sdk.ID{
		strings.Repeat("1", 32):                        {},
		strings.Repeat("1", 31) + "2":                  {31: 1},
		"JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG": {0: 255, 1: 255, 2: 255, 3: 255, 4: 255, 5: 255, 6: 255, 7: 255, 8: 255, 9: 255, 10: 255, 11: 255, 12: 255, 13: 255, 14: 255, 15: 255, 16: 255, 17: 255, 18: 255, 19: 255, 20: 255, 21: 255, 22: 255, 23: 255, 24: 255, 25: 255, 26: 255, 27: 255, 28: 255, 29: 255, 30: 255, 31: 255},
	} {
		got, err := sdk.ParseID(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", strings.Repeat("1", 33), strings.Repeat("1", 31) + "0", "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH", strings.Repeat("z", 44), "2"} {
		if id, err := sdk.ParseID(text); err == nil {
			t.Errorf("%q is %v", text, id)
		}
	}
}

// TestUnbound: a collection that is no field of the state says so.
func TestUnbound(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "no field of the application's state") {
			t.Errorf("got %s", text)
		}
	}()
	var c sdk.Counter
	sdktest.New[App](t, 1, nil).Replica(0).Must(func(*App) error { c.Add(1); return nil })
}

// TestNotState: a struct that is no state says why.
func TestNotState(t *testing.T) {
	type plain struct{ N int }
	if err := sdktest.New[plain](t, 1, nil).Replica(0).Do(func(*plain) error { return nil }); err == nil {
		t.Error("a struct without collections is a state")
	}
}
