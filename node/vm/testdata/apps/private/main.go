//go:build wasip1

// Command private is a test application with secrets that stay on the node
// (wasm-abi 5.6). Its replicated map says who holds which secret.
package main

import (
	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
	"mero/node/sdk/jsonargs"
)

func main() {}

//go:wasmexport init
func create() { env.Method(hosted.Init) }

//go:wasmexport __calimero_sync_next
func syncNext() { env.Method(hosted.SyncNext) }

func secretOrNull(value []byte, ok bool) []byte {
	if !ok {
		return []byte("null")
	}
	return jsonargs.AppendString(nil, string(value))
}

func store(name, secret string) {
	if !env.PrivateWrite([]byte(name), []byte(secret)) {
		panic("this node has no private storage")
	}
}

//go:wasmexport set_secret
func setSecret() {
	env.Method(func() {
		args := hosted.Arguments("name", "secret")
		hosted.MustExist()
		store(args[0], args[1])
		hosted.Set(args[0], "held")
		env.Return([]byte("null"))
	})
}

// set_secret_uncommitted writes a secret in a call that does not commit: the
// host must forget it.
//
//go:wasmexport set_secret_uncommitted
func setSecretUncommitted() {
	env.Method(func() {
		args := hosted.Arguments("name", "secret")
		store(args[0], args[1])
		env.Return(secretOrNull(env.PrivateRead([]byte(args[0]))))
	})
}

//go:wasmexport get_secret
func getSecret() {
	env.Method(func() {
		name := hosted.Arguments("name")[0]
		env.Return(secretOrNull(env.PrivateRead([]byte(name))))
	})
}

//go:wasmexport remove_secret
func removeSecret() {
	env.Method(func() {
		name := hosted.Arguments("name")[0]
		hosted.MustExist()
		old, ok := env.PrivateRemove([]byte(name))
		hosted.Remove(name)
		env.Return(secretOrNull(old, ok))
	})
}

// holders is the replicated map.
//
//go:wasmexport holders
func holders() {
	env.Method(func() {
		hosted.MustExist()
		env.Return(hosted.Entries())
	})
}
