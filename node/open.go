package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/netkit"
	"mero/node/apps"
	"mero/node/auth"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/server"
	"mero/node/store"
	"mero/node/syncer"
	"mero/node/vm"
)

// Node is one node: everything in one home. Make it with Open, then Run or Close
// it, once.
type Node struct {
	home    Home
	cfg     Config
	log     zerolog.Logger
	started time.Time
	disk    diskMeter

	store    *store.Store
	apps     *apps.Library
	contexts *replica.Set
	network  *netkit.Net
	syncer   *syncer.Syncer
	server   *server.Server
	listen   []net.Listener

	// close undoes Open, the last first.
	close []closer
}

// closer is how one part ends.
type closer struct {
	name string
	do   func() error
}

// Open builds a node in its home: read it top to bottom, a part uses only the
// parts above it. Nothing runs yet, but the home is taken and the ports are
// bound. Errors: *InUseError, *netkit.AddrInUseError, *server.AddrInUseError,
// those of store.Open, and of files that can not be used; what was opened is
// closed again then.
func Open(ctx context.Context, home Home, cfg Config, logs Logs) (_ *Node, err error) {
	n := &Node{home: home, cfg: cfg, log: logs.For("node"), started: time.Now(), disk: diskMeter{home: home}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()

	if err := n.takeHome(ctx); err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	peerKey, secret, err := home.loadKeys()
	if err != nil {
		return nil, err
	}

	n.store, err = openStore(ctx, home, cfg.Storage, store.Deps{Log: logs.For("store"), Metrics: metrics})
	if err != nil {
		return nil, err
	}
	n.closes("store", n.store.Close)

	blobs, err := blobkit.Open(home.BlobsDir(), blobkit.Deps{Log: logs.For("blobs"), Metrics: metrics}, cfg.Blobs)
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	n.closes("blobs", blobs.Close)

	engine, err := vm.New(cfg.Runtime, vm.Deps{CacheDir: home.CacheDir(), Log: logs.For("vm"), Metrics: metrics})
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	n.closes("runtime", engine.Close)

	n.apps = apps.New(apps.Deps{Store: n.store, Engine: engine, Blobs: blobs, Log: logs.For("apps")})
	n.closes("apps", func() error { n.apps.Close(); return nil })

	n.contexts = replica.NewSet(replica.Deps{
		Config: cfg.State,
		Store:  n.store, Apps: n.apps, Blobs: blobs, Events: events.New(events.DefaultQueue, metrics),
		OnCommit: syncer.Later(&n.syncer), Skew: func() (time.Duration, bool) { return n.syncer.Skew() },
		Log: logs.For("replica"), Metrics: metrics, Wall: time.Now,
	})

	tokens, err := auth.New(cfg.Auth, secret, n.store, time.Now)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	if _, err := tokens.LocalToken(home.TokenFile()); err != nil && !errors.Is(err, store.ErrDiskFull) {
		return nil, fmt.Errorf("local token: %w", err)
	}

	n.network, err = netkit.New(cfg.Network, netkit.Deps{
		Key: peerKey, BookFile: home.PeerBookFile(), Log: logs.For("netkit"), Metrics: metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	n.closes("network", n.network.Close)

	n.syncer = syncer.New(cfg.Sync, syncer.Deps{
		Net: n.network, Contexts: n.contexts, Apps: n.apps, Blobs: blobs, Log: logs.For("syncer"), Metrics: metrics, Wall: time.Now,
	})

	n.server, err = server.New(cfg.Server, server.Deps{
		Auth: tokens, Store: n.store, Apps: n.apps, Contexts: n.contexts, Sync: n.syncer,
		Peers: n.peers, Addrs: n.P2PAddrs, Status: n.Status,
		Log: logs.For("server"), Metrics: metrics, Gather: metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	n.listen, err = server.Listen(ctx, cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	n.closes("api", n.closeListeners)
	return n, nil
}

// takeHome locks the home for this process.
func (n *Node) takeHome(ctx context.Context) error {
	if err := n.home.create(); err != nil {
		return err
	}
	lock, err := n.home.Lock(ctx)
	if err != nil {
		return err
	}
	n.closes("home", lock.Release)
	n.closes("addresses", n.home.removeAddrs)
	return nil
}

// loadKeys reads both private keys of a home, or makes them.
func (h Home) loadKeys() (netkit.Key, auth.Secret, error) {
	key, err := netkit.LoadKey(h.PeerKeyFile())
	if err != nil {
		return netkit.Key{}, auth.Secret{}, fmt.Errorf("peer key: %w", err)
	}
	secret, err := auth.LoadSecret(h.AuthKeyFile())
	if err != nil {
		return netkit.Key{}, auth.Secret{}, fmt.Errorf("token key: %w", err)
	}
	return key, secret, nil
}

// openStore opens the store of a home, whoever asks, and draws the conclusions
// of a loss that it was told to accept, now or when it was opened before: the
// loss stays on record until all writers are renewed.
func openStore(ctx context.Context, home Home, cfg store.Config, deps store.Deps) (*store.Store, error) {
	db, err := store.Open(home.StoreDir(), cfg, deps)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if cfg.AcceptLoss || db.Lost() > 0 {
		err = renewWriters(ctx, db)
		if err == nil {
			err = db.SettleLoss(ctx)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("store: %w", err), db.Close())
		}
	}
	return db, nil
}

// renewWriters gives every member key a new incarnation: others may know deltas
// of the old ones that this store has lost, so their numbers must not be used
// again (R3). That a key was bound and wrote may be lost, too.
func renewWriters(ctx context.Context, db *store.Store) error {
	contexts, err := db.Contexts()
	if err != nil {
		return fmt.Errorf("list contexts: %w", err)
	}
	ids := []ident.ContextID{{}} // those that are not bound
	for _, c := range contexts {
		ids = append(ids, c.ID)
	}
	for _, id := range ids {
		identities, err := db.Identities(id)
		if err != nil {
			return fmt.Errorf("list identities: %w", err)
		}
		for _, identity := range identities {
			identity.Renew()
			if err := db.PutIdentity(ctx, identity); err != nil {
				return fmt.Errorf("renew a writer: %w", err)
			}
		}
	}
	return nil
}

// closes registers how the part that was just opened ends.
func (n *Node) closes(name string, do func() error) {
	n.close = append(n.close, closer{name, do})
}

// Close ends a node that does not run, the last part first. A second call does
// nothing.
func (n *Node) Close() error {
	var errs []error
	for len(n.close) > 0 {
		last := n.close[len(n.close)-1]
		n.close = n.close[:len(n.close)-1]
		if err := last.do(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}

func (n *Node) closeListeners() error {
	var errs []error
	for _, l := range n.listen {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) { // Serve closes them too
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// WithIssuer works on the tokens of a node that is stopped. The error is an
// *InUseError while it runs.
func WithIssuer(ctx context.Context, home Home, cfg Config, do func(*auth.Issuer) error) error {
	return withStore(ctx, home, cfg, func(db *store.Store) error {
		secret, err := auth.LoadSecret(home.AuthKeyFile())
		if err != nil {
			return fmt.Errorf("token key: %w", err)
		}
		issuer, err := auth.New(cfg.Auth, secret, db, time.Now)
		if err != nil {
			return fmt.Errorf("tokens: %w", err)
		}
		return do(issuer)
	})
}

// withStore opens the store of a node that is stopped, for as long as do runs.
func withStore(ctx context.Context, home Home, cfg Config, do func(*store.Store) error) (err error) {
	lock, err := home.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	db, err := openStore(ctx, home, cfg.Storage, store.Deps{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}
