//go:build wasip1

// Command local is a test application that keeps private data the way old
// Calimero applications do (wasm-abi 5.6): in ordinary storage, under keys that
// its artifacts do not mention. It must not import private_storage_*: the host
// then looks for no node-local keys (R6).
package main

import (
	"strings"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
	"mero/node/sdk/examples/rawkv/state"
	"mero/node/sdk/jsonargs"
)

func main() {}

// published marks the keys of the map whose values every replica also writes
// to the plain key of that name.
const published = "published/"

//go:wasmexport init
func create() { env.Method(hosted.Init) }

//go:wasmexport __calimero_sync_next
func syncNext() {
	env.Method(func() {
		ops, err := state.Decode(env.Input())
		if err != nil {
			panic(err)
		}
		for _, op := range ops {
			if name, ok := strings.CutPrefix(op.Key, published); ok {
				env.Write(plain(name), []byte(op.Value))
			}
		}
		hosted.SyncNext()
	})
}

func plain(name string) []byte { return []byte("local/" + name) }

// set_local writes a plain key and commits an artifact without it.
//
//go:wasmexport set_local
func setLocal() {
	env.Method(func() {
		args := hosted.Arguments("name", "value")
		hosted.MustExist()
		env.Write(plain(args[0]), []byte(args[1]))
		hosted.Set("changed", args[0])
		env.Return([]byte("null"))
	})
}

// remove_local removes a plain key.
//
//go:wasmexport remove_local
func removeLocal() {
	env.Method(func() {
		name := hosted.Arguments("name")[0]
		hosted.MustExist()
		env.Remove(plain(name))
		hosted.Set("changed", name)
		env.Return([]byte("null"))
	})
}

// publish makes every replica write the plain key.
//
//go:wasmexport publish
func publish() {
	env.Method(func() {
		args := hosted.Arguments("name", "value")
		hosted.MustExist()
		env.Write(plain(args[0]), []byte(args[1]))
		hosted.Set(published+args[0], args[1])
		env.Return([]byte("null"))
	})
}

//go:wasmexport get_local
func getLocal() {
	env.Method(func() {
		value, ok := env.Read(plain(hosted.Arguments("name")[0]))
		if !ok {
			env.Return([]byte("null"))
			return
		}
		env.Return(jsonargs.AppendString(nil, string(value)))
	})
}

//go:wasmexport entries
func entries() {
	env.Method(func() {
		hosted.MustExist()
		env.Return(hosted.Entries())
	})
}
