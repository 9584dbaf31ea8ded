//go:build !wasip1

package sdktest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"mero/node/collections"
	"mero/node/sdk"
	"mero/node/sdk/internal/host"
	"mero/node/sdk/names"
)

// Replica is one member's copy of the context. It folds its deltas in canonical
// order, from the start again when one comes late.
type Replica[T any] struct {
	net     *Network[T]
	member  sdk.ID
	tag     [8]byte
	deltas  []*delta // canonical order
	has     map[*delta]bool
	state   *collections.Mem
	private map[string][]byte
	events  []Event
	logs    []string
	calls   []Call
}

// Event is an event that a replica saw, of its own calls and of others'.
type Event struct {
	Kind    string
	Data    []byte // JSON
	Handler string // the method that others run for it, or ""
	Author  sdk.ID
}

// Call is a call of another context that a replica queued.
type Call struct {
	Context sdk.ID
	Method  string
	Args    []byte // JSON
}

// RefusedError is what the host refused: a wrong kind, an index, a limit, a write where
// only reading is allowed. Its text is the one that a node gives.
type RefusedError struct{ err error }

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

func newReplica[T any](n *Network[T], i int) *Replica[T] {
	member := sha256.Sum256([]byte("sdktest member " + strconv.Itoa(i)))
	tag := sha256.Sum256(append([]byte("mero/writer/v1\x00"), member[:]...))
	return &Replica[T]{
		net: n, member: member, tag: [8]byte(tag[:8]), has: map[*delta]bool{}, state: &collections.Mem{}, private: map[string][]byte{},
	}
}

// Member is the member that the replica's calls run as.
func (r *Replica[T]) Member() sdk.ID { return r.member }

// Events are those that the replica has seen, in order.
func (r *Replica[T]) Events() []Event { return slices.Clone(r.events) }

// Logs are the lines that its calls logged.
func (r *Replica[T]) Logs() []string { return slices.Clone(r.logs) }

// Calls are the calls of other contexts that its calls queued.
func (r *Replica[T]) Calls() []Call { return slices.Clone(r.calls) }

// Do runs a call: what it changes is a delta, which Deliver takes to the others.
// An error of the call, or a *RefusedError, undoes all of it.
func (r *Replica[T]) Do(call func(*T) error) error { return r.do(call, 0) }

// Must is Do for calls that succeed.
func (r *Replica[T]) Must(call func(*T) error) {
	r.net.t.Helper()
	if err := r.Do(call); err != nil {
		r.net.t.Fatalf("replica %s: %v", r.name(), err)
	}
}

// View runs a call that only reads.
func (r *Replica[T]) View(call func(*T)) {
	r.net.t.Helper()
	c := r.newCall(collections.BeginReadOnly(r.state), r.net.tick(r))
	err := r.run(c, func(state *T) error {
		call(state)
		return nil
	})
	if err != nil {
		r.net.t.Fatalf("replica %s: %v", r.name(), err)
	}
}

// Call calls a method by the name that clients use, with arguments in order, each
// through JSON, and gives its result as JSON.
func (r *Replica[T]) Call(method string, args ...any) (result []byte, err error) {
	err = r.Do(func(state *T) error {
		result, err = invoke(state, method, args)
		return err
	})
	return result, err
}

func (r *Replica[T]) name() string { return strconv.Itoa(slices.Index(r.net.replicas, r)) }

func (r *Replica[T]) newCall(tx *collections.Tx, now uint64) *host.Call {
	var members [][32]byte
	for _, other := range r.net.replicas {
		members = append(members, other.member)
	}
	return &host.Call{
		Tx: tx, Context: r.net.context, Executor: r.member, Members: members, Time: now, Private: r.private, Blobs: r.net.blobs,
		Random: func(data []byte) {
			for i := range data {
				data[i] = byte(r.net.random.Uint32())
			}
		},
	}
}

// run runs a call on a state struct of its own, as every call of a guest begins
// with the same memory.
func (r *Replica[T]) run(c *host.Call, call func(*T) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			refused, ok := p.(*host.MisuseError)
			if !ok {
				panic(p) //nolint:forbidigo // the application's own
			}
			err = &RefusedError{refused.Err}
		}
	}()
	state := new(T)
	if err := sdk.BindState(state); err != nil {
		return err
	}
	host.Run(c, func() { err = call(state) })
	return err
}

func (r *Replica[T]) do(call func(*T) error, depth int) error {
	o := collections.Origin{Author: r.member, Tag: r.tag, Time: r.net.tick(r)}
	tx := collections.Begin(r.state, o)
	c := r.newCall(tx, o.Time)
	err := r.run(c, call)
	r.logs = append(r.logs, c.Logs...)
	if err != nil {
		return err
	}
	for _, x := range c.XCalls {
		r.calls = append(r.calls, Call{x.Context, x.Method, x.Input})
	}
	ops := tx.Ops()
	if len(ops) == 0 && len(c.Events) == 0 {
		return nil
	}
	for key, value := range c.Kept {
		if value == nil {
			delete(r.private, key)
		} else {
			r.private[key] = *value
		}
	}
	d := newDelta(o, ops, c.Events, r.deltas, depth)
	r.net.deltas = append(r.net.deltas, d)
	r.add(d)
	return nil
}

// takes tells whether a delta can be delivered: it is not there, and all that its
// author had seen is.
func (r *Replica[T]) takes(d *delta) bool {
	return !r.has[d] && !slices.ContainsFunc(d.seen, func(before *delta) bool { return !r.has[before] })
}

// receive takes another's delta and runs the handlers of its events.
func (r *Replica[T]) receive(d *delta) {
	r.net.t.Helper()
	r.add(d)
	for _, e := range d.events {
		if e.Handler == "" || d.depth >= maxChain {
			continue
		}
		err := r.do(func(state *T) error { return handle(state, e.Handler, e.Data) }, d.depth+1)
		if err != nil {
			r.net.t.Errorf("replica %s: handler %s: %v", r.name(), e.Handler, err)
		}
	}
}

// add folds a delta at its place.
func (r *Replica[T]) add(d *delta) {
	r.net.t.Helper()
	r.has[d] = true
	for _, e := range d.events {
		r.events = append(r.events, Event{e.Kind, e.Data, e.Handler, d.origin.Author})
	}
	at, _ := slices.BinarySearchFunc(r.deltas, d, less)
	r.deltas = slices.Insert(r.deltas, at, d)
	if at == len(r.deltas)-1 {
		r.fold(d)
		return
	}
	r.state = &collections.Mem{}
	for _, d := range r.deltas {
		r.fold(d)
	}
}

func (r *Replica[T]) fold(d *delta) {
	r.net.t.Helper()
	if len(d.ops) == 0 {
		return
	}
	writes, err := collections.Fold(r.state, d.ops, d.origin)
	if err != nil {
		r.net.t.Fatalf("replica %s: folding a delta: %v", r.name(), err)
	}
	r.state.Apply(writes)
}

// methodOf is a method of the state by the name that clients use.
func methodOf(state any, name string) (reflect.Value, error) {
	v := reflect.ValueOf(state)
	for i := range v.NumMethod() {
		if names.Snake(v.Type().Method(i).Name) == name {
			return v.Method(i), nil
		}
	}
	return reflect.Value{}, fmt.Errorf("%T has no method %q", state, name)
}

func handle(state any, name string, data []byte) error {
	m, err := methodOf(state, name)
	if err != nil {
		return err
	}
	var args []any
	if m.Type().NumIn() == 1 {
		args = []any{json.RawMessage(data)}
	}
	_, err = invoke(state, name, args)
	return err
}

func invoke(state any, name string, args []any) (result []byte, err error) {
	m, err := methodOf(state, name)
	if err != nil {
		return nil, err
	}
	if m.Type().NumIn() != len(args) {
		return nil, fmt.Errorf("%s takes %d arguments, not %d", name, m.Type().NumIn(), len(args))
	}
	in := make([]reflect.Value, len(args))
	for i, arg := range args {
		data, err := json.Marshal(arg)
		if err != nil {
			return nil, err
		}
		v := reflect.New(m.Type().In(i))
		if err := json.Unmarshal(data, v.Interface()); err != nil {
			return nil, fmt.Errorf("argument %d of %s: %w", i+1, name, err)
		}
		in[i] = v.Elem()
	}
	out := m.Call(in)
	if n := len(out); n > 0 && m.Type().Out(n-1) == reflect.TypeFor[error]() {
		if err, ok := reflect.TypeAssert[error](out[n-1]); ok && err != nil {
			return nil, err
		}
		out = out[:n-1]
	}
	switch len(out) {
	case 0:
		return []byte("null"), nil
	case 1:
		return json.Marshal(out[0].Interface())
	}
	return nil, errors.New(name + " returns more than a value and an error")
}
