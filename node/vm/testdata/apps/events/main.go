//go:build wasip1

// Command events is a test application that emits events, with and without
// handlers, and calls other contexts. What its handlers and the targets of its
// calls were given lies in its map.
package main

import (
	"strconv"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
	"mero/node/sdk/jsonargs"
)

func main() {}

//go:wasmexport init
func create() { env.Method(hosted.Init) }

//go:wasmexport __calimero_sync_next
func syncNext() { env.Method(hosted.SyncNext) }

//go:wasmexport entries
func entries() {
	env.Method(func() {
		hosted.MustExist()
		env.Return(hosted.Entries())
	})
}

// emit changes the state and emits one event with data, which need not be
// JSON.
//
//go:wasmexport emit
func emit() {
	env.Method(func() {
		args := hosted.Arguments("kind", "data")
		hosted.Set("emitted", args[0])
		env.Emit(args[0], []byte(args[1]))
		env.Return([]byte("null"))
	})
}

// emit_only emits without changing anything.
//
//go:wasmexport emit_only
func emitOnly() {
	env.Method(func() {
		args := hosted.Arguments("kind", "data")
		env.Emit(args[0], []byte(args[1]))
	})
}

//go:wasmexport emit_many
func emitMany() {
	env.Method(func() {
		count := hosted.Number("count")
		hosted.Set("emitted", "many")
		for i := range count {
			env.Emit("Counted", strconv.AppendUint(nil, i, 10))
		}
	})
}

//go:wasmexport emit_with_handler
func emitWithHandler() {
	env.Method(func() {
		args := hosted.Arguments("kind", "data", "handler")
		hosted.Set("emitted", args[0])
		env.EmitWithHandler(args[0], []byte(args[1]), args[2])
		env.Return([]byte("null"))
	})
}

// on_event is a handler: its input is an event's data. It counts how often it
// was given each.
//
//go:wasmexport on_event
func onEvent() {
	env.Method(func() {
		key := "handled/" + string(env.Input())
		text, _ := hosted.Map().Get(key)
		times, _ := strconv.Atoi(text)
		hosted.Set(key, strconv.Itoa(times+1))
	})
}

// on_event_chain is a handler that emits the next event of a chain, n times:
// its input is {"n": n}.
//
//go:wasmexport on_event_chain
func onEventChain() {
	env.Method(func() {
		n := hosted.Number("n")
		hosted.Set("chain", strconv.FormatUint(n, 10))
		if n > 0 {
			env.EmitWithHandler("Chained", append(strconv.AppendUint([]byte(`{"n":`), n-1, 10), '}'), "on_event_chain")
		}
	})
}

// on_event_fails is a handler that always fails.
//
//go:wasmexport on_event_fails
func onEventFails() {
	env.Method(func() { panic("this handler always fails") })
}

// call changes the state and queues a call of another context, named in
// base58.
//
//go:wasmexport call
func call() {
	env.Method(func() {
		args := hosted.Arguments("context", "function", "params")
		hosted.Set("called", args[1])
		env.XCall(base58(args[0]), args[1], []byte(args[2]))
		env.Return([]byte("null"))
	})
}

// call_self queues a call of the own context without changing anything.
//
//go:wasmexport call_self
func callSelf() {
	env.Method(func() {
		args := hosted.Arguments("function", "params")
		env.XCall(env.ContextID(), args[0], []byte(args[1]))
	})
}

// receive is for other contexts to call.
//
//go:wasmexport receive
func receive() {
	env.Method(func() {
		text := hosted.Arguments("text")[0]
		hosted.MustExist()
		if _, ok := env.XCallOrigin(); ok {
			text += " (by xcall)"
		}
		hosted.Set("received", text)
	})
}

// who returns what the host says about the call.
//
//go:wasmexport who
func who() {
	env.Method(func() {
		context, executor := env.ContextID(), env.ExecutorID()
		account, device := env.AccountID(), env.DeviceID()
		out := []byte{'{'}
		for i, id := range []struct {
			name  string
			value [32]byte
		}{{"context", context}, {"executor", executor}, {"account", account}, {"device", device}} {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(jsonargs.AppendString(out, id.name), ':')
			out = jsonargs.AppendString(out, hex(id.value[:]))
		}
		env.Return(append(out, '}'))
	})
}

// draw returns two readings of the clock and 16 random bytes in hex.
//
//go:wasmexport draw
func draw() {
	env.Method(func() {
		first, second := env.Now(), env.Now()
		random := make([]byte, 16)
		env.Random(random)
		out := strconv.AppendUint([]byte(`{"first":`), first, 10)
		out = strconv.AppendUint(append(out, `,"second":`...), second, 10)
		out = jsonargs.AppendString(append(out, `,"random":`...), hex(random))
		env.Return(append(out, '}'))
	})
}

// verify checks a signature: signature, key and message in hex.
//
//go:wasmexport verify
func verify() {
	env.Method(func() {
		args := hosted.Arguments("signature", "key", "message")
		var signature [64]byte
		var key [32]byte
		copy(signature[:], unhex(args[0]))
		copy(key[:], unhex(args[1]))
		env.Return(strconv.AppendBool(nil, env.Verify(signature, key, unhex(args[2]))))
	})
}

// store_blob makes a blob of text, announces it, and returns its id in hex.
//
//go:wasmexport store_blob
func storeBlob() {
	env.Method(func() {
		b := env.BlobCreate()
		b.Write([]byte(hosted.Arguments("text")[0]))
		id, _ := b.Close()
		env.BlobAnnounce(id, env.ContextID())
		env.Return(jsonargs.AppendString(nil, hex(id[:])))
	})
}

// read_blob returns the text of a blob, read in pieces of 7 bytes.
//
//go:wasmexport read_blob
func readBlob() {
	env.Method(func() {
		var id [32]byte
		copy(id[:], unhex(hosted.Arguments("id")[0]))
		b := env.BlobOpen(id)
		var text []byte
		piece := make([]byte, 7)
		for {
			n := b.Read(piece)
			if n == 0 {
				break
			}
			text = append(text, piece[:n]...)
		}
		b.Close()
		env.Return(jsonargs.AppendString(nil, string(text)))
	})
}
