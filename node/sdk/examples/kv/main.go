//go:build wasip1

// Command kv is a key-value application: the smallest one that replicates. Its
// methods are init{}, set{key, value}, get{key}, remove{key}, entries{} and
// len{}; keys and values are text.
//
// It is written against the raw host interface (package env), to show what an
// application does there: read the arguments, change storage, and hand the
// change to the other members as an artifact, which their copies get through
// the export __calimero_sync_next.
package main

import (
	"strconv"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/kv/state"
	"mero/node/sdk/jsonargs"
)

func main() {} // a library: the host calls the exports

//go:wasmexport init
func create() {
	env.Method(func() {
		if opened().Initialised() {
			panic("Cannot initialize over already existing state.")
		}
		change(state.Op{Kind: state.Init})
	})
}

//go:wasmexport set
func set() {
	env.Method(func() {
		args := arguments("key", "value")
		mustBeInitialised()
		change(state.Op{Kind: state.Set, Key: args[0], Value: args[1]})
		env.Return([]byte("null"))
	})
}

//go:wasmexport remove
func remove() {
	env.Method(func() {
		key := arguments("key")[0]
		mustBeInitialised()
		old := valueOrNull(key)
		if _, removed, known := opened().Known(key); known && !removed {
			change(state.Op{Kind: state.Remove, Key: key})
		} else {
			change()
		}
		env.Return(old)
	})
}

//go:wasmexport get
func get() {
	env.Method(func() {
		key := arguments("key")[0]
		mustBeInitialised()
		env.Return(valueOrNull(key))
	})
}

//go:wasmexport entries
func entries() {
	env.Method(func() {
		mustBeInitialised()
		out := []byte{'{'}
		for i, key := range opened().Keys() {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(jsonargs.AppendString(out, key), ':')
			out = append(out, valueOrNull(key)...)
		}
		env.Return(append(out, '}'))
	})
}

//go:wasmexport len
func length() {
	env.Method(func() {
		mustBeInitialised()
		env.Return(strconv.AppendUint(nil, opened().Len(), 10))
	})
}

//go:wasmexport __calimero_sync_next
func syncNext() {
	env.Method(func() {
		m := opened()
		if err := m.Merge(env.Input(), env.Now()); err != nil {
			panic(err)
		}
		env.Commit(m.Root(), nil)
	})
}

// hostStore is the context's replicated storage.
type hostStore struct{}

func (hostStore) Read(key []byte) ([]byte, bool) { return env.Read(key) }
func (hostStore) Write(key, value []byte)        { env.Write(key, value) }

func opened() state.Map { return state.Open(hostStore{}) }

// change applies operations here and commits them for everyone else.
func change(ops ...state.Op) {
	m := opened()
	for i := range ops {
		op := &ops[i]
		op.Author = env.ExecutorID()
		op.Time = env.Now()
		// The host's clock is ahead of everything in the state; should it ever
		// not be, a change must still win over what its author saw.
		if known, _, ok := m.Known(op.Key); ok && op.Time <= known {
			op.Time = known + 1
		}
		m.Apply(*op)
	}
	env.Commit(m.Root(), state.Encode(ops))
}

func mustBeInitialised() {
	if !opened().Initialised() {
		panic("Failed to find or read app state")
	}
}

// arguments reads text arguments by name.
func arguments(names ...string) []string {
	raw, err := jsonargs.Parse(env.Input(), names...)
	if err != nil {
		panic(err)
	}
	texts := make([]string, len(raw))
	for i, r := range raw {
		if texts[i], err = r.Text(); err != nil {
			panic(names[i] + ": " + err.Error())
		}
	}
	return texts
}

func valueOrNull(key string) []byte {
	if value, ok := opened().Get(key); ok {
		return jsonargs.AppendString(nil, value)
	}
	return []byte("null")
}
