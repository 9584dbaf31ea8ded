package commands_test

import (
	"encoding/json"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"mero/node"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/store/storetest"
)

// scriptTB lets helpers of tests fail a script.
type scriptTB struct {
	testing.TB

	ts *testscript.TestScript
}

func (tb scriptTB) Helper()                   {}
func (tb scriptTB) Fatal(args ...any)         { tb.ts.Fatalf("%v", args) }
func (tb scriptTB) Fatalf(f string, a ...any) { tb.ts.Fatalf(f, a...) }

// damage changes what a stopped node's home holds of a context: `damage value NODE
// CONTEXT`, the first value of its state; `damage delta NODE CONTEXT`, its last
// delta, whose id becomes the field id of stdout.
func damage(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 3 {
			ts.Fatalf("usage: damage value|delta NODE CONTEXT")
		}
		home, err := node.HomeAt(ts.Getenv("MERO_HOME"), args[1])
		ts.Check(err)
		id, err := ident.ParseContextID(args[2])
		ts.Check(err)
		tb := scriptTB{t, ts}
		key, last := firstAndLast(ts, home.StoreDir(), id)
		switch args[0] {
		case "value":
			storetest.ChangeValue(tb, home.StoreDir(), id, key, []byte("changed"))
		case "delta":
			storetest.ChangeDelta(tb, home.StoreDir(), id, last, func(raw []byte) []byte { return raw[:len(raw)-1] })
			doc, err := json.Marshal(map[string]string{"id": last.String()})
			ts.Check(err)
			_, err = ts.Stdout().Write(doc)
			ts.Check(err)
		default:
			ts.Fatalf("usage: damage value|delta NODE CONTEXT")
		}
	}
}

// firstAndLast are the first key of a context's state and its last delta.
func firstAndLast(ts *testscript.TestScript, dir string, id ident.ContextID) (key []byte, last delta.ID) {
	db, err := store.Open(dir, store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	ts.Check(err)
	defer db.Close()
	view, err := db.View(id)
	ts.Check(err)
	defer view.Close()
	for kv, err := range view.StateAll() {
		ts.Check(err)
		key = kv.Key
		break
	}
	for rec, err := range view.Fates(0) {
		ts.Check(err)
		last = rec.ID
	}
	return key, last
}
