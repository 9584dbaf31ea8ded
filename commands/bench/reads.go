package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"mero/commands/child"
)

// BareWord is the argument of `mero bench` that runs the handler which P26
// compares with, in a process of its own.
const BareWord = "__bare"

// ServeBare answers every request on a free port of loopback with a small JSON
// object, as little as net/http can do. It writes its address to out, and ends
// when in does, or ctx.
func ServeBare(ctx context.Context, in io.Reader, out io.Writer) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	answer := []byte(`{"jsonrpc":"2.0","id":1,"result":{"output":"................................"}}`)
	server := &http.Server{
		ReadHeaderTimeout: child.Patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // a client that left gets no answer
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(answer)
		}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, in) // its end is what counts
	}()
	if err := json.NewEncoder(out).Encode(bareReady{"http://" + listener.Addr().String()}); err != nil {
		return errors.Join(err, server.Close(), <-served)
	}
	select {
	case <-ended:
	case <-ctx.Done():
	}
	err = server.Close()
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

type bareReady struct {
	URL string `json:"url"`
}

// bare starts that process.
func (b *bench) bare(ctx context.Context) (c *child.Process, url string, err error) {
	if c, err = b.program.Spawn(ctx, filepath.Join(b.dir, "bare.log"), "bench", BareWord); err != nil {
		return nil, "", err
	}
	var ready bareReady
	if err := json.Unmarshal(c.Line, &ready); err != nil {
		return nil, "", errors.Join(err, c.Stop())
	}
	return c, ready.URL, nil
}

// withApp starts a node with one context of an application and few keys.
func (b *bench) withApp(ctx context.Context, app App, do func(*caller, instance) error) error {
	h, err := b.newHome(ctx, true)
	if err != nil {
		return err
	}
	defer remove(h)
	return while(ctx, h, func(p *process) error {
		list, err := p.instances(ctx, app, 1)
		if err != nil {
			return err
		}
		c := newCaller(p.url, p.token)
		defer c.close()
		if err := fill(ctx, c, list, fewKeys); err != nil {
			return err
		}
		return do(c, list[0])
	})
}

// measureReads is P26: samples of both in turn, so that what else the machine
// does falls on both.
func measureReads(ctx context.Context, b *bench) error {
	served, url, err := b.bare(ctx)
	if err != nil {
		return err
	}
	defer served.Stop() //nolint:errcheck // nothing is lost with it
	bare := newCaller(url, "")
	defer bare.close()
	for i, app := range b.apps {
		err := b.withApp(ctx, app, func(c *caller, in instance) error {
			return b.compareReads(ctx, c, bare, in, i == b.counting())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// counting is the application that the targets for reads are for: a real one,
// the first that is given, else the embedded one.
func (b *bench) counting() int {
	if len(b.cfg.Apps) > 0 {
		return 1
	}
	return 0
}

// compareReads emits the ratio, and both sides of it.
func (b *bench) compareReads(ctx context.Context, c, bare *caller, in instance, target bool) error {
	body := in.get(0)
	var ratios []float64
	var ours, theirs sample
	for range b.cfg.Size.Rounds {
		mine, err := load(ctx, clients, b.cfg.Size.Sample/2, func(ctx context.Context, _, _ int) error { return c.post(ctx, body) })
		if err != nil {
			return err
		}
		other, err := load(ctx, clients, b.cfg.Size.Sample/2, func(ctx context.Context, _, _ int) error { return bare.post(ctx, body) })
		if err != nil {
			return err
		}
		ratios = append(ratios, 100*mine.rate/other.rate)
		ours, theirs = ours.add(mine, b.cfg.Size.Rounds), theirs.add(other, b.cfg.Size.Rounds)
	}
	slices.Sort(ratios)
	r := Result{
		ID: "P26", Measure: "reads over JSON-RPC, 16 clients, part of a bare handler's", App: in.app.Name,
		Value: round(ratios[len(ratios)/2]), Unit: percent, Better: More, Samples: len(ratios),
		Note: fmt.Sprintf("median of pairs, %.1f to %.1f", ratios[0], ratios[len(ratios)-1]),
	}
	if target {
		r = r.targets(20, 40)
	}
	return b.emitAll(
		r,
		rate("P26", "reads over JSON-RPC, 16 clients", in.app.Name, ours),
		rate("P26", "requests to a bare handler, 16 clients", "", theirs),
	)
}

// add puts one of n samples to the others: the rate is their mean.
func (s sample) add(one sample, n int) sample {
	return sample{rate: s.rate + one.rate/float64(n), times: append(s.times, one.times...)}
}

// measureCall is P22.
func measureCall(ctx context.Context, b *bench) error {
	for i, app := range b.apps {
		counts := i == b.counting()
		times, err := b.inProcess(ctx, app)
		if err != nil {
			return err
		}
		r := median("P22", "read-only call, in process", app.Name, times)
		if counts {
			r = r.targets(0.1, 0.05)
		}
		if err := b.emit(r); err != nil {
			return err
		}
		err = b.withApp(ctx, app, func(c *caller, in instance) error {
			body := in.get(0)
			s, err := load(ctx, 1, b.cfg.Size.Sample, func(ctx context.Context, _, _ int) error { return c.post(ctx, body) })
			times = s.times
			return err
		})
		if err != nil {
			return err
		}
		r = median("P22", "read-only call, over RPC, 1 client", app.Name, times)
		if counts {
			r = r.targets(0.4, 0.25)
		}
		if err := b.emit(r); err != nil {
			return err
		}
	}
	return nil
}

// inProcess times the same call without a server.
func (b *bench) inProcess(ctx context.Context, app App) (times []time.Duration, err error) {
	l, err := b.openLocal(ctx, app)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for i := range fewKeys {
		if err := l.call(ctx, "set", args{key(i), "value"}); err != nil {
			return nil, err
		}
	}
	s, err := load(ctx, 1, b.cfg.Size.Sample, func(ctx context.Context, _, _ int) error {
		return l.call(ctx, "get", args{Key: key(0)})
	})
	return s.times, err
}
