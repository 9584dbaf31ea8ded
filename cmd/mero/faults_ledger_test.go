package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/sdk/examples"
)

// value is what a key has: text, or nothing.
type value struct {
	text  string
	there bool
}

// String is short: values can have a megabyte.
func (v value) String() string {
	if !v.there {
		return "nothing"
	}
	if len(v.text) > 24 {
		return fmt.Sprintf("%q… (%d bytes)", v.text[:24], len(v.text))
	}
	return strconv.Quote(v.text)
}

// cell is what the ledger knows of one key: what was acknowledged last, and
// what was tried since without an answer.
type cell struct {
	key   string
	acked value
	tried []value
}

// book is the ledger of one writer in one context. Nobody else writes its keys.
type book struct {
	context ident.ContextID
	member  ident.PublicKey
	cells   []*cell
	n       int // numbers the values
}

// ledger is what clients saw acknowledged. It is judged by this alone: how many
// calls failed does not matter.
type ledger struct {
	app     ident.AppID
	books   []*book
	acked   atomic.Int64
	refused atomic.Int64
}

// newLedger installs the example, makes contexts, and plans writers for each.
func newLedger(t *testing.T, client *api.Client, contexts, writers, keys int) *ledger {
	t.Helper()
	l := &ledger{app: install(t, client)}
	for range contexts {
		made, err := client.CreateContext(t.Context(), api.CreateContextRequest{ApplicationID: l.app, InitializationParams: api.Bytes("{}")})
		must(t, err)
		for w := range writers {
			b := &book{context: made.ContextID, member: made.MemberPublicKey}
			for k := range keys {
				b.cells = append(b.cells, &cell{key: fmt.Sprintf("w%d/k%d", w, k)})
			}
			l.books = append(l.books, b)
		}
	}
	return l
}

func install(t *testing.T, client *api.Client) ident.AppID {
	t.Helper()
	app, err := client.Upload(t.Context(), strings.NewReader(string(examples.KV())), api.UploadOptions{Name: "kv.wasm"})
	must(t, err)
	return app
}

// writing is the writers of a ledger at work.
type writing struct {
	ledger *ledger
	quit   chan struct{}
	once   sync.Once
	group  sync.WaitGroup

	mu    sync.Mutex
	ends  []error // why writers ended by themselves
	wrong []error // answers that no fault explains
}

// write sets all writers to work, each with random numbers of its own. They end
// at stop, or at the first answer that is neither success nor "read-only".
func (l *ledger) write(t *testing.T, client *api.Client, rng *rand.Rand) *writing {
	t.Helper()
	w := &writing{ledger: l, quit: make(chan struct{})}
	for _, b := range l.books {
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		w.group.Go(func() {
			for {
				select {
				case <-w.quit:
					return
				default:
				}
				if err := w.one(t, client, b, own); err != nil {
					w.mu.Lock()
					w.ends = append(w.ends, err)
					w.mu.Unlock()
					return
				}
			}
		})
	}
	return w
}

// one makes one write and enters what was answered.
func (w *writing) one(t *testing.T, client *api.Client, b *book, rng *rand.Rand) error {
	c := b.cells[rng.IntN(len(b.cells))]
	b.n++
	next := value{there: rng.IntN(8) > 0}
	method, args := "remove", map[string]string{"key": c.key}
	if next.there {
		next.text = text(b.n, rng)
		method, args["value"] = "set", next.text
	}
	c.tried = append(c.tried, next)
	out, err := call(t, client, b, method, args)
	switch {
	case err == nil:
		if method == "remove" && len(c.tried) == 1 && !sameOutput(out, c.acked) {
			w.mu.Lock()
			w.wrong = append(w.wrong, fmt.Errorf("remove of %s returned %.40s, acknowledged was %s", c.key, out, c.acked))
			w.mu.Unlock()
		}
		c.acked, c.tried = next, nil
		w.ledger.acked.Add(1)
		return nil
	case readOnly(err):
		// A refusal says that nothing changed.
		c.tried = c.tried[:len(c.tried)-1]
		w.ledger.refused.Add(1)
		return nil
	}
	return err
}

// sizes of values: most are small, some are paged, and a few, up to the most that a
// collection takes, do not fit into one transaction of the store with their delta, so
// that kills meet overlays too.
func text(n int, rng *rand.Rand) string {
	size := 10 + rng.IntN(200)
	switch roll := rng.IntN(100); {
	case roll == 0:
		size = 600_000 + rng.IntN(440_000)
	case roll < 15:
		size = 4_000 + rng.IntN(16_000)
	}
	head := fmt.Sprintf("%d:", n)
	return head + strings.Repeat(string(rune('a'+n%26)), size)
}

func call(t *testing.T, client *api.Client, b *book, method string, args map[string]string) (json.RawMessage, error) {
	doc, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	out, err := client.Execute(t.Context(), api.ExecuteParams{
		ContextID: b.context, Method: method, ArgsJSON: doc, ExecutorPublicKey: b.member,
	})
	return out.Output, err
}

// readOnly recognises the refusal of a node whose disk is full.
func readOnly(err error) bool {
	var rpc *api.RPCError
	return errors.As(err, &rpc) && rpc.Type == api.RPCInternal && strings.Contains(rpc.Error(), "disk is full")
}

func sameOutput(out json.RawMessage, want value) bool {
	got, err := output(out)
	return err == nil && got == want
}

func output(out json.RawMessage) (value, error) {
	var text *string
	if err := json.Unmarshal(out, &text); err != nil {
		return value{}, err
	}
	if text == nil {
		return value{}, nil
	}
	return value{*text, true}, nil
}

// stop lets writers finish what they do.
func (w *writing) stop() {
	w.once.Do(func() { close(w.quit) })
	w.group.Wait()
}

// after stops the writers of a node that was stopped or killed. They may have
// been told nothing, or that the node stops; nothing else.
func (w *writing) after(t *testing.T) {
	t.Helper()
	w.stop()
	for _, err := range w.wrong {
		t.Error(err)
	}
	for _, err := range w.ends {
		var answer *api.Error
		var failed *api.RPCError
		switch {
		case errors.As(err, &answer) && answer.Kind == api.KindBusy:
		case errors.As(err, &failed) && failed.Type == api.RPCInternal:
		case errors.As(err, &answer), errors.As(err, &failed):
			t.Errorf("a writer was answered %v", err)
		}
	}
}

// alive stops the writers of a node that nobody stopped: none may have failed.
func (w *writing) alive(t *testing.T) {
	t.Helper()
	w.stop()
	for _, err := range append(w.ends, w.wrong...) {
		t.Errorf("a writer failed: %v", err)
	}
}

// check reads every key, compares with the ledger, and enters what it found:
// what was read must stay. It counts the keys too.
func (l *ledger) check(t *testing.T, client *api.Client) {
	t.Helper()
	if lost := l.diff(t, client); len(lost) > 0 {
		t.Fatalf("%d keys are not what the ledger says:\n%s", len(lost), strings.Join(lost, "\n"))
	}
}

// diff is what check finds, a line each.
func (l *ledger) diff(t *testing.T, client *api.Client) (lost []string) {
	t.Helper()
	counts := make(map[ident.ContextID]int)
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, b := range l.books {
		group.Go(func() {
			there, wrong := b.read(t, client)
			mu.Lock()
			defer mu.Unlock()
			counts[b.context] += there
			lost = append(lost, wrong...)
		})
	}
	group.Wait()
	asked := make(map[ident.ContextID]bool)
	for _, b := range l.books {
		if asked[b.context] {
			continue
		}
		asked[b.context] = true
		out, err := call(t, client, b, "len", map[string]string{})
		if want := strconv.Itoa(counts[b.context]); err != nil || string(out) != want {
			lost = append(lost, fmt.Sprintf("context %s has %s keys (%v), its writers' are %s", b.context, out, err, want))
		}
	}
	return lost
}

// read compares a book with the node: how many of its keys are there, and which
// are wrong.
func (b *book) read(t *testing.T, client *api.Client) (there int, wrong []string) {
	for _, c := range b.cells {
		out, err := call(t, client, b, "get", map[string]string{"key": c.key})
		if err != nil {
			return there, append(wrong, fmt.Sprintf("context %s, get %s: %v", b.context, c.key, err))
		}
		got, err := output(out)
		if got.there {
			there++
		}
		if err != nil || !c.settle(got) {
			wrong = append(wrong, fmt.Sprintf("context %s, key %s: is %s (%v), acknowledged %s, tried since %v",
				b.context, c.key, got, err, c.acked, c.tried))
		}
	}
	return there, wrong
}

// settle takes what was read for the truth, if it can be.
func (c *cell) settle(got value) bool {
	known := got == c.acked
	for _, v := range c.tried {
		known = known || got == v
	}
	if known {
		c.acked, c.tried = got, nil
	}
	return known
}

// open counts the writes that nobody knows the outcome of.
func (l *ledger) open() (n int) {
	for _, b := range l.books {
		for _, c := range b.cells {
			n += len(c.tried)
		}
	}
	return n
}
