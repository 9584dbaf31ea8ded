package hosted

import (
	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/state"
	"mero/node/sdk/jsonargs"
)

// store is the context's replicated storage.
type store struct{}

func (store) Read(key []byte) ([]byte, bool) { return env.Read(key) }
func (store) Write(key, value []byte)        { env.Write(key, value) }

// Map is the context's map, as this call sees it.
func Map() state.Map { return state.Open(store{}) }

// Init makes the map and commits it; once in the life of a context.
func Init() {
	if Map().Initialised() {
		panic("Cannot initialize over already existing state.")
	}
	Change(state.Op{Kind: state.Init})
}

// MustExist panics before Init.
func MustExist() {
	if !Map().Initialised() {
		panic("Failed to find or read app state")
	}
}

// Change applies operations here and commits them for everyone else; Time and
// Author are filled in. None commits "nothing changed".
func Change(ops ...state.Op) {
	root, artifact := Prepare(ops...)
	env.Commit(root, artifact)
}

// Prepare is Change without the commit.
func Prepare(ops ...state.Op) (root [32]byte, artifact []byte) {
	m := Map()
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
	return m.Root(), state.Encode(ops)
}

// Set changes one key.
func Set(key, value string) { Change(state.Op{Kind: state.Set, Key: key, Value: value}) }

// Remove takes a key away, if it is there.
func Remove(key string) {
	if _, removed, known := Map().Known(key); known && !removed {
		Change(state.Op{Kind: state.Remove, Key: key})
	} else {
		Change()
	}
}

// SyncNext applies the artifact of a delta, which is the call's input.
func SyncNext() {
	m := Map()
	if err := m.Merge(env.Input(), env.Now()); err != nil {
		panic(err)
	}
	env.Commit(m.Root(), nil)
}

// Raw are the values of the named arguments.
func Raw(names ...string) []jsonargs.Raw {
	raw, err := jsonargs.Parse(env.Input(), names...)
	if err != nil {
		panic(err)
	}
	return raw
}

// Arguments are the named arguments, all of them text.
func Arguments(names ...string) []string {
	raw := Raw(names...)
	texts := make([]string, len(raw))
	for i, r := range raw {
		text, err := r.Text()
		if err != nil {
			panic(names[i] + ": " + err.Error())
		}
		texts[i] = text
	}
	return texts
}

// Number is the one named argument, a whole number.
func Number(name string) uint64 {
	n, err := Raw(name)[0].Uint()
	if err != nil {
		panic(name + ": " + err.Error())
	}
	return n
}

// ValueOrNull is the value of a key as JSON.
func ValueOrNull(key string) []byte {
	if value, ok := Map().Get(key); ok {
		return jsonargs.AppendString(nil, value)
	}
	return []byte("null")
}

// Entries is the map as a JSON object, keys ascending.
func Entries() []byte {
	out := []byte{'{'}
	for i, key := range Map().Keys() {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(jsonargs.AppendString(out, key), ':')
		out = append(out, ValueOrNull(key)...)
	}
	return append(out, '}')
}
