package replica_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// home is a directory with everything a replica needs, opened over it.
type home struct {
	t       testing.TB
	dir     string
	wall    func() time.Time
	free    atomic.Uint64 // bytes on the disk, as the store is told
	store   *store.Store
	blobs   *blobkit.Store
	engine  *vm.Engine
	apps    *apps.Library
	bus     *events.Bus
	set     *replica.Set
	reg     *prometheus.Registry
	quick   bool   // no fsync
	memory  uint64 // of guests; 0: the default
	commits []delta.ID
	made    map[delta.ID][]byte // deltas made here
}

func newHome(t testing.TB) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir(), wall: time.Now}
	h.start()
	return h
}

// newQuickHome is a home that does not wait for the disk.
func newQuickHome(t testing.TB) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir(), wall: time.Now, quick: true}
	h.start()
	return h
}

func (h *home) start() {
	h.free.Store(1 << 40)
	h.made = make(map[delta.ID][]byte)
	h.open()
	h.t.Cleanup(h.close)
}

func (h *home) open() {
	h.t.Helper()
	reg, log := prometheus.NewRegistry(), zerolog.Nop()
	h.reg = reg
	var err error
	cfg := store.DefaultConfig()
	cfg.Fsync = !h.quick
	h.store, err = store.Open(filepath.Join(h.dir, "db"), cfg, store.Deps{
		Log: log, Metrics: reg, FreeBytes: func(string) (uint64, error) { return h.free.Load(), nil },
	})
	must(h.t, err)
	h.blobs, err = blobkit.Open(filepath.Join(h.dir, "blobs"), blobkit.Deps{Log: log, Metrics: reg}, blobkit.DefaultConfig())
	must(h.t, err)
	guests := vm.DefaultConfig()
	if h.memory > 0 {
		guests.MemoryLimit = h.memory
	}
	h.engine, err = vm.New(guests, vm.Deps{CacheDir: cacheDir(h.t), Log: log, Metrics: reg})
	must(h.t, err)
	h.apps = apps.New(apps.Deps{Store: h.store, Engine: h.engine, Blobs: h.blobs, Log: log})
	h.bus = events.New(events.DefaultQueue, reg)
	h.set = replica.NewSet(replica.Deps{
		Store: h.store, Apps: h.apps, Blobs: h.blobs, Events: h.bus, Log: log, Metrics: reg,
		Wall: func() time.Time { return h.wall() },
		OnCommit: func(d *delta.Delta) {
			h.commits = append(h.commits, d.ID())
			h.made[d.ID()] = d.Bytes()
		},
	})
}

func (h *home) close() {
	h.apps.Close()
	must(h.t, h.engine.Close())
	must(h.t, h.blobs.Close())
	must(h.t, h.store.Close())
}

// reopen closes everything and opens it again, as a restart does.
func (h *home) reopen() {
	h.t.Helper()
	h.close()
	h.open()
}

// install builds and installs a test application.
func (h *home) install(name string) ident.AppID {
	h.t.Helper()
	app, err := h.apps.Install(h.t.Context(), bytes.NewReader(apptest.Build(h.t, name)), apps.Source{URL: "file:///" + name + ".wasm"})
	must(h.t, err)
	return app.ID
}

// create makes a context of a test application.
func (h *home) create(name, params string) replica.Created {
	h.t.Helper()
	made, err := h.set.Create(h.t.Context(), replica.CreateRequest{App: h.install(name), Params: []byte(params)})
	must(h.t, err)
	return made
}

// createFile makes a context of an application in a file.
func (h *home) createFile(path, params string) replica.Created {
	h.t.Helper()
	app, err := h.apps.InstallFile(h.t.Context(), path, apps.Source{})
	must(h.t, err)
	made, err := h.set.Create(h.t.Context(), replica.CreateRequest{App: app.ID, Params: []byte(params)})
	must(h.t, err)
	return made
}

// call runs a method with a value as its JSON arguments.
func (h *home) call(c replica.Created, method string, args any) (*replica.Result, error) {
	h.t.Helper()
	return h.set.Execute(h.t.Context(), replica.Request{
		Context: c.Context, Method: method, Input: encode(h.t, args), Executor: c.Member,
	})
}

// ok is call, and the call must succeed.
func (h *home) ok(c replica.Created, method string, args any) *replica.Result {
	h.t.Helper()
	res, err := h.call(c, method, args)
	must(h.t, err)
	return res
}

// receive hands deltas in as one call.
func (h *home) receive(c replica.Created, envelopes ...[]byte) *replica.Received {
	h.t.Helper()
	got, err := h.set.Receive(h.t.Context(), c.Context, envelopes)
	must(h.t, err)
	return got
}

// log is all deltas of a context in canonical order, without the genesis.
func (h *home) log(c replica.Created) [][]byte {
	h.t.Helper()
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	var out [][]byte
	for d, err := range view.DeltasByTime(0) {
		must(h.t, err)
		if d.ID != view.Context().Genesis {
			out = append(out, d.Bytes)
		}
	}
	return out
}

// state is every key of a context's replicated state.
func (h *home) state(c replica.Created) map[string]string {
	h.t.Helper()
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	out := make(map[string]string)
	for kv, err := range view.StateAll() {
		must(h.t, err)
		out[string(kv.Key)] = string(kv.Value)
	}
	return out
}

// fates is what became of each delta of a context.
func (h *home) fates(c replica.Created) map[delta.ID]store.DeltaRecord {
	h.t.Helper()
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	out := make(map[delta.ID]store.DeltaRecord)
	for d, err := range view.Fates(0) {
		must(h.t, err)
		out[d.ID] = d
	}
	return out
}

// verify holds that a context is what its deltas give.
func (h *home) verify(id ident.ContextID) {
	h.t.Helper()
	rep, err := h.set.VerifyLog(h.t.Context(), id)
	must(h.t, err)
	for _, p := range rep.Problems {
		h.t.Errorf("verify: %s (delta %s, key %x)", p.What, p.Delta, p.Key)
	}
}

// info is the context's record.
func (h *home) info(c replica.Created) replica.Info {
	h.t.Helper()
	info, err := h.set.Get(c.Context)
	must(h.t, err)
	return info
}

func encode(t testing.TB, args any) []byte {
	t.Helper()
	if args == nil {
		return nil
	}
	doc, err := json.Marshal(args)
	must(t, err)
	return doc
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type kv struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

func withCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// compiled is where test runs share compiled modules: compiling the large Go
// guests is most of what these tests would do otherwise.
var compiled = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "mero-replica-test") })

func cacheDir(t testing.TB) string {
	t.Helper()
	dir, err := compiled()
	must(t, err)
	return dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := compiled(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}
