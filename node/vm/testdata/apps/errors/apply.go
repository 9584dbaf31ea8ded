//go:build wasip1

package main

import (
	"strings"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
	"mero/node/sdk/examples/rawkv/state"
)

// maybe changes the state if asked to: {"commit": true} or {"commit": false}.
// Without, it is a method that has committed before and now does not.
//
//go:wasmexport maybe
func maybe() {
	env.Method(func() {
		commit := string(hosted.Raw("commit")[0])
		hosted.MustExist()
		root, artifact := hosted.Prepare(state.Op{Kind: state.Set, Key: "maybe", Value: commit})
		if commit == "true" {
			env.Commit(root, artifact)
		}
		env.Return([]byte("null"))
	})
}

// failing begins the artifacts whose apply goes wrong.
const failing = "apply "

// commit_apply commits an artifact whose apply ends in the way named: trap,
// panic, fail, loop, grow, future, garbage, nothing, xcall, private, blob, logs
// or twice. The change itself is that of a good call.
//
//go:wasmexport commit_apply
func commitApply() {
	env.Method(func() {
		how := hosted.Arguments("how")[0]
		hosted.MustExist()
		op := state.Op{Kind: state.Set, Key: "applied", Value: how}
		root, artifact := hosted.Prepare(op)
		switch how {
		case "future":
			op.Time = env.Now() + 1<<20
			artifact = state.Encode([]state.Op{op})
		case "garbage":
			artifact = []byte("no artifact at all")
		default:
			artifact = append([]byte(failing+how+" "), artifact...)
		}
		env.Commit(root, artifact)
		survived()
	})
}

//go:wasmexport __calimero_sync_next
func syncNext() {
	env.Method(func() {
		input := string(env.Input())
		rest, ok := strings.CutPrefix(input, failing)
		if !ok {
			hosted.SyncNext()
			return
		}
		how, artifact, _ := strings.Cut(rest, " ")
		applyBadly(how)
		m := hosted.Map()
		if err := m.Merge([]byte(artifact), env.Now()); err != nil {
			panic(err)
		}
		if how != "nothing" {
			env.Commit(m.Root(), nil)
		}
		if how == "fail" {
			env.ReturnError([]byte(`"apply failed"`))
		}
	})
}

func applyBadly(how string) {
	switch how {
	case "trap":
		trapUnreachable()
	case "panic":
		panic("apply panics")
	case "loop":
		loopForever()
	case "grow":
		growMemory()
	case "xcall":
		env.XCall(env.ContextID(), "entries", nil)
	case "private":
		env.PrivateWrite([]byte("key"), []byte("value"))
	case "blob":
		env.BlobCreate()
	case "logs":
		for range 5000 {
			env.Log("a line of an apply")
		}
	case "twice":
		env.Commit([32]byte{1}, nil)
	}
}
