package inspect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/inspect"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// home is a directory with what an inspector needs, opened over it.
type home struct {
	t     testing.TB
	dir   string
	store *store.Store
	set   *replica.Set
	apps  *apps.Library
	in    *inspect.Inspector
	wall  func() time.Time // nil: time.Now
	end   func()
}

func newHome(t testing.TB) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir()}
	h.open()
	t.Cleanup(func() { h.end() })
	return h
}

func (h *home) open() {
	h.t.Helper()
	reg, log := prometheus.NewRegistry(), zerolog.Nop()
	cfg := store.DefaultConfig()
	cfg.Fsync = false
	var err error
	h.store, err = store.Open(h.db(), cfg, store.Deps{Log: log, Metrics: reg})
	must(h.t, err)
	blobs, err := blobkit.Open(filepath.Join(h.dir, "blobs"), blobkit.Deps{Log: log, Metrics: reg}, blobkit.DefaultConfig())
	must(h.t, err)
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{CacheDir: cacheDir, Log: log, Metrics: reg})
	must(h.t, err)
	h.apps = apps.New(apps.Deps{Store: h.store, Engine: engine, Blobs: blobs, Log: log})
	h.set = replica.NewSet(replica.Deps{
		Config: replica.DefaultConfig(), Store: h.store, Apps: h.apps, Blobs: blobs, Events: events.New(events.DefaultQueue, reg),
		Log: log, Metrics: reg, Wall: h.now,
	})
	h.in = inspect.New(h.store, h.set)
	h.end = func() {
		h.apps.Close()
		must(h.t, engine.Close())
		must(h.t, blobs.Close())
		must(h.t, h.store.Close())
	}
}

// now is the home's clock.
func (h *home) now() time.Time {
	if h.wall != nil {
		return h.wall()
	}
	return time.Now()
}

func (h *home) db() string { return filepath.Join(h.dir, "db") }

// damage changes the closed store.
func (h *home) damage(do func(dir string)) {
	h.t.Helper()
	h.end()
	do(h.db())
	h.open()
}

func (h *home) install() ident.AppID {
	h.t.Helper()
	app, err := h.apps.Install(h.t.Context(), bytes.NewReader(apptest.RawKV(h.t)), apps.Source{URL: "file:///kv.wasm"})
	must(h.t, err)
	return app.ID
}

func (h *home) create() replica.Created {
	h.t.Helper()
	made, err := h.set.Create(h.t.Context(), replica.CreateRequest{App: h.install()})
	must(h.t, err)
	return made
}

// put makes a delta by a call.
func (h *home) put(c replica.Created, key, value string) delta.ID {
	h.t.Helper()
	args, err := json.Marshal(map[string]string{"key": key, "value": value})
	must(h.t, err)
	res, err := h.set.Execute(h.t.Context(), replica.Request{Context: c.Context, Method: "set", Input: args, Executor: c.Member})
	must(h.t, err)
	return res.Delta
}

// key is the epoch key of a context's genesis, and the genesis.
func (h *home) key(id ident.ContextID) (genesis []byte, key delta.EpochKey) {
	h.t.Helper()
	view, err := h.store.View(id)
	must(h.t, err)
	defer view.Close()
	rec, err := view.Delta(view.Context().Genesis)
	must(h.t, err)
	key, err = view.EpochKey(view.Context().Epoch)
	must(h.t, err)
	return rec.Bytes, key
}

// join makes a replica of a context of another home.
func (h *home) join(from *home, c replica.Created) replica.Created {
	h.t.Helper()
	member, err := h.set.NewIdentity(h.t.Context())
	must(h.t, err)
	inv, err := from.set.Invite(h.t.Context(), replica.InviteRequest{Context: c.Context, Executor: c.Member, To: member})
	must(h.t, err)
	req, err := h.set.Request(inv, member, "peer")
	must(h.t, err)
	a, err := from.set.Admit(h.t.Context(), c.Context, inv, req)
	must(h.t, err)
	id, err := h.set.JoinWith(h.t.Context(), a, member)
	must(h.t, err)
	return replica.Created{Context: id, Member: member}
}

func (h *home) receive(id ident.ContextID, envelopes ...[]byte) {
	h.t.Helper()
	_, err := h.set.Receive(h.t.Context(), id, envelopes)
	must(h.t, err)
}

// log is all deltas of a context in canonical order.
func (h *home) log(id ident.ContextID) []*delta.Delta {
	h.t.Helper()
	view, err := h.store.View(id)
	must(h.t, err)
	defer view.Close()
	var out []*delta.Delta
	for rec, err := range view.DeltasByTime(0) {
		must(h.t, err)
		d, err := delta.Open(rec.Bytes)
		must(h.t, err)
		out = append(out, d)
	}
	return out
}

func (h *home) bytes(id ident.ContextID) [][]byte {
	h.t.Helper()
	var out [][]byte
	for _, d := range h.log(id) {
		out = append(out, d.Bytes())
	}
	return out
}

// dag is one page.
func (h *home) dag(id ident.ContextID, q api.DagQuery) api.DagPage {
	h.t.Helper()
	page, err := h.in.Dag(h.t.Context(), id, q)
	must(h.t, err)
	return page
}

// all is a whole listing, in pages of a size.
func (h *home) all(id ident.ContextID, q api.DagQuery, size int) []api.DeltaRow {
	h.t.Helper()
	q.Limit = size
	var rows []api.DeltaRow
	for {
		page := h.dag(id, q)
		if len(page.Deltas) > size {
			h.t.Fatalf("%d deltas on a page of %d", len(page.Deltas), size)
		}
		if (page.Summary != nil) != (q.After == nil) {
			h.t.Fatalf("summary %v after %v", page.Summary, q.After)
		}
		rows = append(rows, page.Deltas...)
		if page.Next == nil {
			return rows
		}
		q.After = page.Next
	}
}

// row finds a delta in a listing.
func row(t testing.TB, rows []api.DeltaRow, id delta.ID) api.DeltaRow {
	t.Helper()
	for _, r := range rows {
		if r.ID == api.Hash(id) {
			return r
		}
	}
	t.Fatalf("delta %s is not listed", id)
	return api.DeltaRow{}
}

// writer makes deltas by hand.
type writer struct {
	key     ident.PrivateKey
	inc     delta.Incarnation
	context ident.ContextID
	epoch   delta.EpochKey
}

func newWriter(id ident.ContextID, epoch delta.EpochKey) writer {
	return writer{key: ident.NewPrivateKey(), inc: delta.NewIncarnation(), context: id, epoch: epoch}
}

// writer is another writer of the member that a home is in a context.
func (h *home) writer(c replica.Created) writer {
	h.t.Helper()
	_, epoch := h.key(c.Context)
	w := newWriter(c.Context, epoch)
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	owned, err := view.Identities()
	must(h.t, err)
	w.key = owned[0].PrivateKey()
	return w
}

// seal makes the writer's delta of a number, so long after the latest parent.
func (w writer) seal(t testing.TB, seq uint64, later time.Duration, payload []byte, parents ...*delta.Delta) *delta.Delta {
	t.Helper()
	h := delta.Header{Context: w.context, Kind: delta.KindState, Author: w.key.Public(), Incarnation: w.inc, Seq: seq}
	for _, p := range parents {
		h.Parents = append(h.Parents, p.ID())
		h.Time = max(h.Time, p.Header().Time)
	}
	h.Time = delta.NextTime(h.Time.Wall().Add(later), h.Time)
	d, err := delta.Seal(h, payload, w.epoch, nil, w.key, nil)
	must(t, err)
	return d
}

// payload encodes a state.
func payload(t testing.TB, s delta.State) []byte {
	t.Helper()
	form, err := delta.EncodeState(s)
	must(t, err)
	return form
}

// garbage is the payload of a delta that does not apply.
func garbage(t testing.TB) []byte {
	t.Helper()
	return payload(t, delta.State{Artifact: []byte("garbage")})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cacheDir keeps compiled applications for the time of this test process.
var cacheDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if cacheDir, err = os.MkdirTemp("", "mero-inspect-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(cacheDir)
		return m.Run()
	}())
}
