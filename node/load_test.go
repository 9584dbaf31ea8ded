package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mero/node"
	"mero/node/api"
	"mero/node/auth"
	"mero/node/ident"
	"mero/node/sdk/examples"
	"mero/node/store"
)

// withContext installs the example and makes a context of it.
func withContext(t *testing.T, client *api.Client) api.CreatedContext {
	t.Helper()
	code := examples.KV()
	app, err := client.Upload(t.Context(), bytes.NewReader(code), api.UploadOptions{Name: "kv.wasm", Size: int64(len(code))})
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.CreateContext(t.Context(), api.CreateContextRequest{ApplicationID: app, InitializationParams: api.Bytes{}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func call(ctx context.Context, client *api.Client, in api.CreatedContext, method string, args any) (json.RawMessage, error) {
	doc, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	out, err := client.Execute(ctx, api.ExecuteParams{
		ContextID: in.ContextID, ExecutorPublicKey: in.MemberPublicKey, Method: method, ArgsJSON: doc,
	})
	return out.Output, err
}

type entry struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// TestStopUnderLoad stops a node while clients write (F26): it ends in time, and
// every write that was acknowledged is there afterwards.
func TestStopUnderLoad(t *testing.T) {
	const (
		writers = 4
		enough  = 60 // writes before the stop
	)
	home := testHome(t)
	n := start(t, home, config())
	client := n.client(t)
	in := withContext(t, client)

	var (
		working sync.WaitGroup
		count   atomic.Int64
		plenty  = make(chan struct{})
		ledger  [writers]int // acknowledged writes of each
	)
	for w := range writers {
		working.Go(func() {
			for i := 0; ; i++ {
				if _, err := call(t.Context(), client, in, "set", entry{fmt.Sprintf("%d/%d", w, i), fmt.Sprint(i)}); err != nil {
					return
				}
				ledger[w] = i + 1
				if count.Add(1) == enough {
					close(plenty)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { working.Wait(); close(ended) }()
	select {
	case <-plenty:
	case <-ended:
		t.Fatalf("no write succeeds after %d", count.Load())
	}
	began := time.Now()
	n.stop(t)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
	<-ended

	n = start(t, home, config())
	defer n.stop(t)
	client = n.client(t)
	for w, acknowledged := range ledger {
		for i := range acknowledged {
			out, err := call(t.Context(), client, in, "get", entry{Key: fmt.Sprintf("%d/%d", w, i)})
			if err != nil || string(out) != fmt.Sprintf(`"%d"`, i) {
				t.Fatalf("write %d/%d was acknowledged and is %s (%v)", w, i, out, err)
			}
		}
	}
	t.Logf("%d writes acknowledged", count.Load())
}

// TestAcceptedLoss holds that a node that accepts lost writes does not number
// its next ones as the lost ones were (R3).
func TestAcceptedLoss(t *testing.T) {
	home := testHome(t)
	n := start(t, home, config())
	in := withContext(t, n.client(t))
	if _, err := call(t.Context(), n.client(t), in, "set", entry{"a", "1"}); err != nil {
		t.Fatal(err)
	}
	n.stop(t)
	before := writer(t, home, in.ContextID)

	cfg := config()
	cfg.Storage.AcceptLoss = true
	n = start(t, home, cfg)
	if _, err := call(t.Context(), n.client(t), in, "set", entry{"a", "2"}); err != nil {
		t.Fatalf("a write of the new incarnation: %v", err)
	}
	n.stop(t)
	after := writer(t, home, in.ContextID)
	if before.Seq < 2 || after.Incarnation == before.Incarnation || after.Seq != 1 {
		t.Fatalf("the writer was %x at %d, and is %x at %d", before.Incarnation, before.Seq, after.Incarnation, after.Seq)
	}
}

// TestAcceptedLossOffline holds the same when a verb on a stopped node accepts
// the loss, and the node starts without: the log of the store is cut where it
// lacks the last write.
func TestAcceptedLossOffline(t *testing.T) {
	home := testHome(t)
	n := start(t, home, config())
	in := withContext(t, n.client(t))
	n.stop(t)
	n = start(t, home, config()) // what comes now is in a log of its own
	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(home.StoreDir())); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := call(t.Context(), n.client(t), in, "set", entry{"a", fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	n.stop(t)
	before := writer(t, home, in.ContextID)
	if err := os.RemoveAll(home.StoreDir()); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(home.StoreDir(), os.DirFS(image)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, home, config()); !errors.As(err, new(*store.DamagedError)) {
		t.Fatalf("a start without the last writes: got %v, want a DamagedError", err)
	}

	cfg := config()
	cfg.Storage.AcceptLoss = true
	if err := node.WithIssuer(t.Context(), home, cfg, func(*auth.Issuer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	n = start(t, home, config())
	if _, err := call(t.Context(), n.client(t), in, "set", entry{"a", "later"}); err != nil {
		t.Fatal(err)
	}
	n.stop(t)
	if after := writer(t, home, in.ContextID); after.Incarnation == before.Incarnation || after.Seq != 1 {
		t.Fatalf("the writer was %x at %d, and is %x at %d", before.Incarnation, before.Seq, after.Incarnation, after.Seq)
	}
}

// writer is the only member key of a context in a stopped node's store.
func writer(t *testing.T, home node.Home, id ident.ContextID) store.Identity {
	t.Helper()
	db, err := store.Open(home.StoreDir(), store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	identities, err := db.Identities(id)
	if err != nil || len(identities) != 1 {
		t.Fatalf("got %v, %v, want one identity", identities, err)
	}
	return identities[0]
}
