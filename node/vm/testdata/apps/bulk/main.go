//go:build wasip1

// Command bulk is a test application whose short artifacts change much state,
// for the limits of the host and of its store.
package main

import (
	"strconv"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
	"mero/node/sdk/jsonargs"
)

func main() {}

//go:wasmexport init
func create() { env.Method(func() { env.Commit(root(0), []byte("bulk init")) }) }

// fill writes count keys, NAME/0 and on, of size bytes each. The artifact is
// the arguments; whoever applies it writes the same.
//
//go:wasmexport fill
func fill() {
	env.Method(func() {
		input := env.Input()
		env.Commit(write(input), input)
		env.Return([]byte("null"))
	})
}

// fill_padded is fill with an artifact of pad bytes more.
//
//go:wasmexport fill_padded
func fillPadded() {
	env.Method(func() {
		raw := hosted.Raw("name", "count", "size", "pad")
		artifact := []byte("[" + string(raw[0]) + "," + string(raw[1]) + "," + string(raw[2]) + "]")
		pad, err := raw[3].Uint()
		if err != nil {
			panic(err)
		}
		r := write(artifact)
		for range pad {
			artifact = append(artifact, ' ')
		}
		env.Commit(r, artifact)
		env.Return([]byte("null"))
	})
}

//go:wasmexport __calimero_sync_next
func syncNext() {
	env.Method(func() {
		if input := env.Input(); string(input) == "bulk init" {
			env.Commit(root(0), nil)
		} else {
			env.Commit(write(input), nil)
		}
	})
}

// write does what the arguments say and returns a root of what it did.
func write(input []byte) [32]byte {
	raw, err := jsonargs.Parse(input, "name", "count", "size")
	if err != nil {
		panic(err)
	}
	name, err := raw[0].Text()
	if err != nil {
		panic(err)
	}
	count, err := raw[1].Uint()
	if err != nil {
		panic(err)
	}
	size, err := raw[2].Uint()
	if err != nil {
		panic(err)
	}
	value := make([]byte, size)
	mix := uint64(len(name)) + size
	for i := range count {
		// Content that differs from key to key and does not compress.
		x := (i+1)*0x9E3779B97F4A7C15 + size
		for at := range value {
			if at%8 == 0 {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
			}
			value[at] = byte(x >> (at % 8 * 8))
		}
		env.Write(key(name, i), value)
		mix = (mix ^ x) * 1099511628211
	}
	return root(mix)
}

func key(name string, i uint64) []byte {
	return strconv.AppendUint([]byte(name+"/"), i, 10)
}

func root(mix uint64) (r [32]byte) {
	r[0] = 1
	for i := range 8 {
		r[8+i] = byte(mix >> (8 * i))
	}
	return r
}

// size returns the length of key NAME/index, or null.
//
//go:wasmexport size
func size() {
	env.Method(func() {
		raw := hosted.Raw("name", "index")
		name, err := raw[0].Text()
		if err != nil {
			panic(err)
		}
		index, err := raw[1].Uint()
		if err != nil {
			panic(err)
		}
		value, ok := env.Read(key(name, index))
		if !ok {
			env.Return([]byte("null"))
			return
		}
		env.Return(strconv.AppendInt(nil, int64(len(value)), 10))
	})
}
