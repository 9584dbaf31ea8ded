package main_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/sdk/examples"
	"mero/node/store"
	"mero/node/vm"
)

// reopenLimit is for a node of a killed one from start to ready (F1), on an idle
// machine and with a binary that checks no races.
const reopenLimit = time.Second

// TestKill kills a node at random instants while it takes writes, and looks for
// acknowledged ones (F1). MERO_KILLS=2000 is the long form, and P8.
func TestKill(t *testing.T) {
	rng := seeded(t)
	kills := scaled(50)
	if text := os.Getenv(killsVar); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		must(t, err)
	}
	p := newPlace(t)
	proc := p.start(t, "n")
	k := &killer{t: t, p: p, rng: rng, kinds: make(map[string]int)}
	client := p.client(t, "n", proc)
	k.ledger = newLedger(t, client, 3, 3, 6)
	k.churn = &churn{app: k.ledger.app, known: make(map[ident.ContextID]*sample)}

	for range kills {
		k.round(proc)
		proc = p.start(t, "n")
		k.reopens = append(k.reopens, proc.took)
		client := p.client(t, "n", proc)
		k.unknown += k.ledger.open()
		k.ledger.check(t, client)
		k.churn.check(t, client, k.ledger)
	}
	middle, most := spread(k.reopens)
	t.Logf("%d kills (%v), %d acknowledged writes, %d without an answer, %d contexts made and %d deleted beside; reopened in %s in the middle, %s at most",
		kills, k.kinds, k.ledger.acked.Load(), k.unknown, k.churn.made, k.churn.deleted, rounded(middle), rounded(most))
	if limit := allowed(reopenLimit); middle > limit {
		t.Errorf("a killed node needs %s to be ready, more than %s", rounded(middle), limit)
	}
	proc.kill()
	proc.wait(t)
	verify(t, p.home(t, "n"))
}

// allowed is a limit for an idle machine made wide enough for one that others
// use too, and for the race detector.
func allowed(limit time.Duration) time.Duration {
	if raced {
		return 12 * limit
	}
	return 3 * limit
}

// killer is the state of TestKill.
type killer struct {
	t       *testing.T
	p       *place
	rng     *rand.Rand
	ledger  *ledger
	churn   *churn
	kinds   map[string]int
	reopens []time.Duration
	unknown int
}

// round lets writers work on a node, and ends it without notice: while it
// writes, sometimes again while it opens, sometimes while it stops.
func (k *killer) round(proc *process) {
	t, rng := k.t, k.rng
	client := k.p.client(t, "n", proc)
	goal := k.ledger.acked.Load() + 5 + rng.Int64N(60)
	after := time.Duration(rng.IntN(30_000)) * time.Microsecond
	kind := rng.IntN(8)
	w := k.ledger.write(t, client, rng)
	own, churned := rand.New(rand.NewPCG(rng.Uint64(), 0)), make(chan struct{})
	go func() {
		defer close(churned)
		k.churn.work(t, client, own)
	}()
	eventually(t, "writes are acknowledged", func() bool { return k.ledger.acked.Load() >= goal || proc.ended() })
	if kind == 0 {
		k.kinds["while it stops"]++
		proc.term()
	} else {
		k.kinds["while it writes"]++
	}
	stop := time.AfterFunc(after, proc.kill)
	defer stop.Stop()
	if code := proc.wait(t); code != -1 && kind != 0 {
		t.Fatalf("the node ended by itself with code %d\n%s", code, &proc.stderr)
	}
	w.after(t)
	<-churned
	if kind == 1 {
		k.kinds["while it opens"]++
		again := k.p.run(t, "node", "run", "--node", "n")
		usual, _ := spread(k.reopens)
		limit := 2 * max(usual, 50*time.Millisecond)
		defer time.AfterFunc(time.Duration(rng.Int64N(int64(limit))), again.kill).Stop()
		if code := again.wait(t); code != -1 {
			t.Fatalf("the node ended by itself with code %d\n%s", code, &again.stderr)
		}
	}
}

// TestKillInstall kills a node at random instants while it installs: checks,
// compiles, and stores code (F3). Whatever is listed then runs, what was
// acknowledged is listed, and nothing half is left beside.
func TestKillInstall(t *testing.T) {
	rng := seeded(t)
	rounds := scaled(8)
	usual, listed, acknowledged := time.Second, 0, 0
	for range rounds {
		p := newPlace(t) // with an empty cache of compiled code
		proc := p.start(t, "n")
		client := p.client(t, "n", proc)
		stop := time.AfterFunc(time.Duration(rng.Int64N(int64(usual*5/4))), proc.kill)
		begun := time.Now()
		_, err := client.Upload(t.Context(), bytes.NewReader(examples.KV()), api.UploadOptions{Name: "kv.wasm"})
		if err == nil {
			usual = time.Since(begun)
			acknowledged++
		}
		proc.wait(t)
		stop.Stop()

		proc = p.start(t, "n")
		client = p.client(t, "n", proc)
		apps, listErr := client.Applications(t.Context())
		must(t, listErr)
		if err == nil && len(apps) != 1 {
			t.Fatalf("an installed application is not listed: %v", apps)
		}
		listed += len(apps)
		if len(apps) == 0 {
			install(t, client)
		}
		l := newLedger(t, client, 1, 1, 2)
		w := l.write(t, client, rng)
		eventually(t, "the application runs", func() bool { return l.acked.Load() > 2 })
		w.alive(t)
		if left, err := os.ReadDir(filepath.Join(p.home(t, "n").BlobsDir(), "tmp")); err != nil || len(left) > 0 {
			t.Errorf("left in blobs/tmp: %v (%v)", left, err)
		}
		proc.kill()
		proc.wait(t)
	}
	t.Logf("%d kills while installing: %d acknowledged, %d listed", rounds, acknowledged, listed)
}

// verify opens the parts of a home whose node is stopped, and folds every
// context again from its deltas: root, heads and state must be the same.
func verify(t *testing.T, home node.Home) {
	t.Helper()
	begun := time.Now()
	lock, err := home.Lock(t.Context())
	must(t, err)
	cfg, reg, log := node.DefaultConfig(), prometheus.NewRegistry(), zerolog.Nop()
	db, err := store.Open(home.StoreDir(), cfg.Storage, store.Deps{Log: log})
	must(t, err)
	blobs, err := blobkit.Open(home.BlobsDir(), blobkit.Deps{Log: log, Metrics: reg}, cfg.Blobs)
	must(t, err)
	engine, err := vm.New(cfg.Runtime, vm.Deps{CacheDir: home.CacheDir(), Log: log, Metrics: reg})
	must(t, err)
	library := apps.New(apps.Deps{Store: db, Engine: engine, Blobs: blobs, Log: log})
	set := replica.NewSet(replica.Deps{
		Store: db, Apps: library, Blobs: blobs, Events: events.New(events.DefaultQueue, reg),
		Log: log, Metrics: reg, Wall: time.Now,
	})
	contexts, err := set.List()
	must(t, err)
	if len(contexts) == 0 {
		t.Error("there is no context to verify")
	}
	deltas := uint64(0)
	for _, c := range contexts {
		rep, err := set.VerifyLog(t.Context(), c.ID)
		if err != nil || len(rep.Problems) > 0 {
			t.Errorf("context %s with %d deltas: %v %+v", c.ID, c.Deltas, err, rep.Problems)
		}
		deltas += c.Deltas
	}
	library.Close()
	must(t, errors.Join(engine.Close(), blobs.Close(), db.Close(), lock.Release()))
	t.Logf("%d contexts with %d deltas verified in %s", len(contexts), deltas, rounded(time.Since(begun)))
}
