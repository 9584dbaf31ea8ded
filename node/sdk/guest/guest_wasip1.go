package guest

import (
	"errors"

	"mero/node/sdk"
	"mero/node/sdk/codec"
	"mero/node/sdk/env"
)

// Arg is a parameter of a method.
type Arg struct {
	Name     string
	Optional bool
	Read     func(r *codec.Reader)
}

// Run runs a method.
func Run(method func()) { env.Method(method) }

// Arguments reads the call's input: an object of arguments, or an array of them
// in order; for a method without any also nothing or null.
func Arguments(args ...Arg) {
	r := codec.NewReader(env.Input())
	var got uint64
	read := func(i int) {
		got |= 1 << i
		args[i].Read(r)
	}
	switch {
	case r.Empty():
	case r.AtList():
		r.List(func(i int) {
			if i >= len(args) {
				r.Fail(errors.New("there are too many arguments"))
				return
			}
			read(i)
		})
	default:
		r.Object(func(name string) bool {
			for i := range args {
				if args[i].Name == name {
					read(i)
					return true
				}
			}
			r.Fail(errors.New("there is no such argument"))
			return true
		})
	}
	if err := r.End(); err != nil {
		panic("arguments: " + err.Error())
	}
	for i, a := range args {
		if got&(1<<i) == 0 && !a.Optional {
			panic("arguments: " + a.Name + ": missing")
		}
	}
}

// Payload reads the data of the event that a handler runs for.
func Payload(read func(r *codec.Reader)) {
	r := codec.NewReader(env.Input())
	read(r)
	if err := r.End(); err != nil {
		panic("event: " + err.Error())
	}
}

// Failed makes the call fail with the application's error, if there is one.
func Failed(err error) bool {
	if err == nil {
		return false
	}
	env.ReturnError(sdk.AppendError(nil, err))
	return true
}

// Return sets the call's result, JSON.
func Return(result []byte) { env.Return(result) }

// Null is the result of a method that gives nothing.
func Null() { env.Return([]byte("null")) }
