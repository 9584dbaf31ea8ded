package node_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mero/node"
	"mero/node/api"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/sdk/examples"
	"mero/node/store"
)

// TestImportIntoAContextOfAnother: a key of a context that was created again
// from the same seed is refused, since nothing made it a member there, and is
// taken by a node that lacks the context.
func TestImportIntoAContextOfAnother(t *testing.T) {
	home := testHome(t)
	n := start(t, home, config())
	code := examples.KV()
	app, err := n.client(t).Upload(t.Context(), bytes.NewReader(code), api.UploadOptions{Name: "kv.wasm", Size: int64(len(code))})
	if err != nil {
		t.Fatal(err)
	}
	request := api.CreateContextRequest{ApplicationID: app, InitializationParams: api.Bytes{}, ContextSeed: &api.Hash{7}}
	old, err := n.client(t).CreateContext(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	n.stop(t)
	secret, err := node.ExportIdentity(t.Context(), home, config(), old.MemberPublicKey)
	if err != nil {
		t.Fatal(err)
	}
	n = start(t, home, config())
	if gone, err := n.client(t).DeleteContext(t.Context(), old.ContextID); !gone || err != nil {
		t.Fatal(gone, err)
	}
	again, err := n.client(t).CreateContext(t.Context(), request)
	if err != nil || again.ContextID != old.ContextID {
		t.Fatalf("created %v, %v, want %s again", again, err, old.ContextID)
	}
	n.stop(t)

	before := writer(t, home, again.ContextID)
	if changed, err := node.ImportIdentity(t.Context(), home, config(), secret); changed || !errors.Is(err, node.ErrNotCreator) {
		t.Errorf("import: %v, %v, want ErrNotCreator", changed, err)
	}
	if after := writer(t, home, again.ContextID); !after.Equal(before) {
		t.Errorf("the context's key was %v and is %v", before, after)
	}
	other := testHome(t)
	start(t, other, config()).stop(t)
	if changed, err := node.ImportIdentity(t.Context(), other, config(), secret); !changed || err != nil {
		t.Errorf("import where the context is not: %v, %v", changed, err)
	}
}

// TestImportOfTheCreator: the key that created a context acts in it again.
func TestImportOfTheCreator(t *testing.T) {
	home := testHome(t)
	start(t, home, config()).stop(t)
	who, err := store.NewIdentity(time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	contextKey := ident.NewPrivateKey()
	id := ident.ContextID(contextKey.Public())
	genesis, err := delta.Seal(delta.Header{
		Context: id, Kind: delta.KindGenesis, Author: who.Public(), Incarnation: who.Incarnation, Seq: 1, Time: delta.Tick,
	}, []byte("genesis"), delta.NewEpochKey(), nil, who.PrivateKey(), &contextKey)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(home.StoreDir(), store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Commit(t.Context(), &store.Step{
		Context: &store.Context{ID: id, Genesis: genesis.ID(), Heads: []delta.ID{genesis.ID()}, Creator: who.Public(), Initialised: true}, Create: true,
		Deltas: []store.DeltaRecord{{ID: genesis.ID(), Time: delta.Tick, Bytes: genesis.Bytes(), Fate: store.FateFolded}},
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	secret := node.Secret{Context: id, Key: who.Key, Seal: who.Seal, Created: who.Created}
	for _, want := range []bool{true, false} {
		if changed, err := node.ImportIdentity(t.Context(), home, config(), secret); changed != want || err != nil {
			t.Fatalf("import: %v, %v, want %v", changed, err, want)
		}
	}
	if got := writer(t, home, id); got.Public() != who.Public() || got.Incarnation == who.Incarnation || got.Seq != 0 {
		t.Errorf("bound %v with incarnation %x", got, got.Incarnation)
	}
}
