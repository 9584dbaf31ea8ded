package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"mero/node/api"
	"mero/node/apps"
	"mero/node/auth"
	"mero/node/inspect"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/syncer"
)

// Deps are what a Server is built from; all are required.
type Deps struct {
	Auth     *auth.Issuer
	Store    *store.Store
	Apps     *apps.Library
	Contexts *replica.Set
	Sync     *syncer.Syncer
	// Peers describes who is connected now; Addrs are where others reach this node.
	Peers func() []api.Peer
	Addrs func() []string
	// Status describes the node; it may take a moment.
	Status  func() api.Status
	Log     zerolog.Logger
	Metrics prometheus.Registerer
	// Gather is what /metrics shows: everything that was registered.
	Gather prometheus.Gatherer
}

// Server answers HTTP requests. It is an http.Handler; Serve adds listeners,
// limits on connections and shutdown.
type Server struct {
	cfg     Config
	deps    Deps
	access  access
	errors  []rule
	metrics *metrics
	mux     *chi.Mux
	scrape  http.Handler

	inspector *inspect.Inspector

	// spare is the key of a join that failed, for the next one.
	spare atomic.Pointer[spareKey]

	running  atomic.Int64
	draining atomic.Bool
}

// New checks the configuration and builds the routes. With auth.ModeNone every
// listen address must be loopback (R25).
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Auth.Mode() == auth.ModeNone && !cfg.Loopback() {
		return nil, errOpen
	}
	s := &Server{
		cfg: cfg, deps: deps, access: newAccess(cfg, deps.Auth.Mode()),
		errors: newErrorTable(), metrics: newMetrics(deps.Metrics),
		scrape: promhttp.HandlerFor(deps.Gather, promhttp.HandlerOpts{EnableOpenMetrics: true, DisableCompression: true}),

		inspector: inspect.New(deps.Store, deps.Contexts),
	}
	s.mux = s.newMux()
	return s, nil
}

// errOpen: without tokens, the port is the only protection.
var errOpen = errors.New("server.listen: with auth.mode none every address must be loopback (127.0.0.1, ::1)")

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	x := &exchange{ResponseWriter: w, server: s, r: r}
	s.running.Add(1)
	s.metrics.running.Inc()
	defer func() {
		s.finish(x, time.Since(began))
		s.metrics.running.Dec()
		s.running.Add(-1)
	}()
	defer func() {
		if cause := recover(); cause != nil {
			x.panicked(cause)
		}
	}()
	if r.ContentLength != 0 {
		x.bodyDeadline(began.Add(s.cfg.BodyTimeout))
	}
	if err := s.admit(x); err != nil {
		x.fail(err)
		return
	}
	if r.Method == http.MethodOptions {
		s.access.preflight(x.Header(), r)
		x.WriteHeader(http.StatusNoContent)
		return
	}
	s.mux.ServeHTTP(x, r)
}

// admit applies the rules that hold for every path (R25).
func (s *Server) admit(x *exchange) error {
	h := x.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if !s.access.host(x.r.Host) {
		s.metrics.refused.WithLabelValues(refusedHost).Inc()
		return errHost
	}
	if !s.access.origin(x.r) {
		s.metrics.refused.WithLabelValues(refusedOrigin).Inc()
		return errOrigin
	}
	s.access.cors(h, x.r)
	return nil
}

// serve asks for the token and the scope of the route and runs its handler.
func (x *exchange) serve() error {
	if x.route.public {
		return x.route.handle(x)
	}
	if x.server.running.Load() > int64(x.server.cfg.MaxInFlight) {
		x.server.metrics.refused.WithLabelValues(refusedTooBusy).Inc()
		return errTooBusy
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if n := x.route.need; n != nil {
		filled := n.of(x)
		if n.body && !x.who.Scopes.Might(filled) || !n.body && !x.who.Scopes.Allow(filled) {
			return &auth.DeniedError{Need: filled}
		}
	}
	return x.route.handle(x)
}

// authenticate finds out who speaks.
func (x *exchange) authenticate() error {
	issuer := x.server.deps.Auth
	switch {
	case issuer.Mode() == auth.ModeNone:
		x.who = auth.Identity{Name: "anybody", Scopes: auth.Admin()}
		return nil
	case x.route.local && (x.server.cfg.MetricsPublic || onLoopback(x.r.Context())):
		if x.server.access.ownOrigin(x.r) {
			return nil
		}
		if bearer(x.r) == "" {
			x.server.metrics.refused.WithLabelValues(refusedOrigin).Inc()
			x.Header().Del("Access-Control-Allow-Origin")
			return errOrigin
		}
	}
	who, err := issuer.Verify(bearer(x.r))
	x.who = who
	return err
}

// allow asks for a permission whose parameters were in the body.
func (x *exchange) allow(n auth.Need) error {
	if !x.who.Scopes.Allow(n) {
		return &auth.DeniedError{Need: n}
	}
	return nil
}

// bearer is the token of the Authorization header, or nothing. A token in the
// query would end up in logs; only WebSocket and SSE, which cannot set
// headers, will read it there (http-api 5.6).
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func (x *exchange) panicked(cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http is told to end the connection
	}
	x.server.metrics.panics.Inc()
	x.server.deps.Log.Error().Interface("cause", cause).Bytes("stack", debug.Stack()).Str("route", x.pattern()).Msg("handler panicked")
	x.fail(errors.New("internal error: the handler of this request failed; see the node's log"))
}

// finish counts and logs a request. The log has the route's pattern and never
// the path or the query, which may hold secrets.
func (s *Server) finish(x *exchange, took time.Duration) {
	if x.status == 0 {
		x.status = http.StatusOK // net/http writes it
	}
	m, pattern := &s.metrics.none, unmatched
	if x.route != nil {
		m, pattern = &x.route.metrics, x.route.pattern
	}
	m.done(x.status, took)
	event := s.deps.Log.Debug()
	if x.status >= http.StatusInternalServerError && !x.refused {
		event = s.deps.Log.Warn()
	}
	if !event.Enabled() {
		return
	}
	event.Str("method", x.r.Method).Str("route", pattern).Int("status", x.status).Dur("took", took).
		Int64("bytes", x.size).Str("key", x.who.KeyID).Str("from", x.r.RemoteAddr).Msg("request")
}

type loopbackKey struct{}

// onLoopback reports whether the request came in by a loopback listener.
func onLoopback(ctx context.Context) bool {
	loopback, _ := ctx.Value(loopbackKey{}).(bool)
	return loopback
}

func isLoopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Serve answers requests on the listeners until ctx ends, then lets running
// requests finish for at most Config.DrainTimeout, and closes the listeners
// and connections. It returns nil after that, or why it could not serve. It is
// called once.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	if len(listeners) == 0 {
		return errors.New("server: no listener was given")
	}
	if s.deps.Auth.Mode() == auth.ModeNone {
		for _, l := range listeners {
			if _, tcp := l.Addr().(*net.TCPAddr); tcp && !isLoopbackAddr(l.Addr()) {
				return fmt.Errorf("%w: %s is not", errOpen, l.Addr())
			}
		}
		s.deps.Log.Warn().Msg("auth.mode is none: everybody on this machine may do everything")
	}
	// Requests outlive ctx while they drain.
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: s.cfg.HeaderTimeout, IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: newErrorLog(s.deps.Log),
		BaseContext: func(l net.Listener) context.Context {
			return context.WithValue(base, loopbackKey{}, isLoopbackAddr(l.Addr()))
		},
	}
	slots := make(chan struct{}, s.cfg.MaxConnections)
	failed := make(chan error, len(listeners))
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := srv.Serve(&limited{Listener: l, slots: slots, closed: make(chan struct{})}); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.drain(srv, cancel)
	serving.Wait()
	return err
}

// errStopping ends what still runs when the drain time is over.
var errStopping = errors.New("the node is stopping")

// Durations of the last steps of a shutdown.
const (
	flushTime = 50 * time.Millisecond // from the end of a handler until its answer is out
	abortTime = time.Second           // from the end of a request's context until its handler returns
	pollTime  = 5 * time.Millisecond
)

// drain stops accepting, waits for running requests, and closes everything.
// Connections without a request do not hold it up.
func (s *Server) drain(srv *http.Server, abort context.CancelCauseFunc) {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if s.idle(ctx) {
			select {
			case <-time.After(flushTime):
			case <-ctx.Done():
			}
			cancel()
		}
	})
	_ = srv.Shutdown(ctx) // its error is that ctx ended
	cancel()
	waiting.Wait()
	abort(errStopping)
	_ = srv.Close()
	last, stop := context.WithTimeout(context.Background(), abortTime)
	defer stop()
	if !s.idle(last) {
		s.deps.Log.Warn().Int64("requests", s.running.Load()).Msg("requests were cut off")
	}
}

// idle waits until no handler runs; false when ctx ended first.
func (s *Server) idle(ctx context.Context) bool {
	tick := time.NewTicker(pollTime)
	defer tick.Stop()
	for s.running.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
