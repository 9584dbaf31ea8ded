package apptest_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/vm"
	"mero/node/vm/apptest"
)

// TestGuess: the arguments become what the errors of real applications ask for.
func TestGuess(t *testing.T) {
	t.Parallel()
	says := func(message string) error { return &vm.Error{Kind: vm.KindPanic, Message: message} }
	for name, c := range map[string]struct {
		errs []error
		want string // after them; "" where the last one taught nothing
	}{
		"nothing asked": {nil, `{}`},
		"fields": {[]error{
			says(`Failed to deserialize input from JSON: Error("missing field ` + "`key`" + `", line: 1, column: 2)`),
			says(`Failed to deserialize input from JSON: Error("missing field ` + "`value`" + `", line: 1, column: 11)`),
		}, `{"key":"a","value":"a"}`},
		"a number": {[]error{
			says("missing field `n`, column: 2"),
			says(`Error("invalid type: string \"a\", expected u64", line: 1, column: 8)`),
		}, `{"n":1}`},
		"a record in it": {[]error{
			says("missing field `to`, column: 2"),
			says(`Error("invalid type: string \"a\", expected struct Place", line: 1, column: 9)`),
			says("missing field `x`, column: 8"),
		}, `{"to":{"x":"a"}}`},
		"a variant": {[]error{
			says("missing field `side`, column: 2"),
			says("unknown variant `a`, expected `Left` or `Right`, column: 11"),
			says("unknown variant `Left`, expected `Left` or `Right`, column: 14"),
		}, `{"side":"Right"}`},
		"a field too much": {[]error{
			says("missing field `x`, column: 2"), says("unknown field `x`, expected nothing, column: 9"),
		}, `{}`},
		"an id": {[]error{
			says("missing field `who`, column: 2"), says("bad key, column: 9"), says("bad key, column: 9"),
		}, `{"who":"member"}`},
		"a refusal":       {[]error{&vm.Error{Kind: vm.KindApplication, Data: []byte(`"missing field` + "`x`" + `"`)}}, ""},
		"not about them":  {[]error{says("Failed to find or read app state")}, ""},
		"a field we have": {[]error{says("missing field `x`, column: 2"), says("missing field `x`, column: 9")}, ""},
	} {
		g := apptest.NewGuess("member")
		taught := true
		for _, err := range c.errs {
			taught = g.Learn(err)
		}
		if taught != (c.want != "") {
			t.Errorf("%s: the last error taught something: %v, now %s", name, taught, g.Input())
		} else if taught && string(g.Input()) != c.want {
			t.Errorf("%s: %s, want %s", name, g.Input(), c.want)
		}
	}
}

// TestFullGuess: by position, optional arguments are found.
func TestFullGuess(t *testing.T) {
	t.Parallel()
	g := apptest.NewFullGuess("m")
	for i, text := range []string{
		`Error("invalid length 0, expected struct Input with 2 elements", line: 1, column: 2)`,
		`Error("invalid type: string \"a\", expected u8", line: 1, column: 8)`,
	} {
		if !g.Learn(&vm.Error{Kind: vm.KindPanic, Message: text}) {
			t.Errorf("error %d taught nothing", i)
		}
	}
	if got := string(g.Input()); got != `["a",1]` {
		t.Errorf("guessed %s", got)
	}
}

// TestGuessEnds: a method that is never content is not asked for ever.
func TestGuessEnds(t *testing.T) {
	t.Parallel()
	calls := 0
	err := apptest.NewGuess("m").Call(func([]byte) error {
		calls++
		return &vm.Error{Kind: vm.KindPanic, Message: "missing field `f" + strings.Repeat("x", calls) + "`"}
	})
	if err == nil || calls > 100 {
		t.Errorf("%d calls, then %v", calls, err)
	}
}

// TestVary: other values are those that were given or seen, where a value is.
func TestVary(t *testing.T) {
	t.Parallel()
	g := apptest.NewGuess("m")
	for _, text := range []string{
		"missing field `key`, column: 2", "missing field `n`, column: 11",
		`invalid type: string \"a\", expected u64, column: 18`,
	} {
		g.Learn(&vm.Error{Kind: vm.KindPanic, Message: text})
	}
	words := apptest.NewWords("b")
	words.Add([]byte(`{"id":["x\"y",7,{"deep":"z"}],"b":"b"}`))
	words.Add([]byte("no JSON"))
	words.Add([]byte(`"` + strings.Repeat("long", 100) + `"`))
	got := map[string]bool{}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 400 {
		got[string(g.Vary(rng.IntN, words))] = true
	}
	want := map[string]bool{}
	for _, key := range []string{`"a"`, `"b"`, `"x\"y"`, `"z"`} {
		for _, n := range []string{"0", "1", "2", "3"} {
			want[`{"key":`+key+`,"n":`+n+`}`] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("varied (-want +got):\n%s", diff)
	}
	words.Know("n", `{"known":1}`)
	for range 100 {
		if got := string(g.Vary(rng.IntN, words)); !strings.HasSuffix(got, `"n":{"known":1}}`) {
			t.Fatalf("what is known of an argument is not used: %s", got)
		}
	}
	words.Like([]byte(`{"key":"liked"}`))
	words.Like([]byte(`["liked"]`))
	liked := 0
	for range 100 {
		if strings.HasPrefix(string(g.Vary(rng.IntN, words)), `{"key":"liked",`) {
			liked++
		}
	}
	if liked < 25 || liked > 75 {
		t.Errorf("what a method liked was used %d times of 100", liked)
	}
	if got := string(g.Input()); got != `{"key":"a","n":1}` {
		t.Errorf("the guess itself is now %s", got)
	}
}
