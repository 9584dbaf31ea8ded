//go:build wasip1

// Command rawkv is the key-value application without the host's collections: it
// keeps its map by itself. Its methods are init{}, set{key, value}, get{key},
// remove{key}, entries{} and len{}; keys and values are text.
//
// It is written against the raw host interface (package env), to show what an
// application does there: read the arguments, change storage, and hand the
// change to the other members as an artifact, which their copies get through
// the export __calimero_sync_next. What happens in each of these steps is in
// the packages hosted and state below.
package main

import (
	"strconv"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
)

func main() {} // a library: the host calls the exports

//go:wasmexport init
func create() { env.Method(hosted.Init) }

//go:wasmexport set
func set() {
	env.Method(func() {
		args := hosted.Arguments("key", "value")
		hosted.MustExist()
		hosted.Set(args[0], args[1])
		env.Return([]byte("null"))
	})
}

//go:wasmexport remove
func remove() {
	env.Method(func() {
		key := hosted.Arguments("key")[0]
		hosted.MustExist()
		old := hosted.ValueOrNull(key)
		hosted.Remove(key)
		env.Return(old)
	})
}

//go:wasmexport get
func get() {
	env.Method(func() {
		key := hosted.Arguments("key")[0]
		hosted.MustExist()
		env.Return(hosted.ValueOrNull(key))
	})
}

//go:wasmexport entries
func entries() {
	env.Method(func() {
		hosted.MustExist()
		env.Return(hosted.Entries())
	})
}

//go:wasmexport len
func length() {
	env.Method(func() {
		hosted.MustExist()
		env.Return(strconv.AppendUint(nil, hosted.Map().Len(), 10))
	})
}

//go:wasmexport __calimero_sync_next
func syncNext() { env.Method(hosted.SyncNext) }
