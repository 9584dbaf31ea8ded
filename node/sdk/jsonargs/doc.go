// Package jsonargs reads the arguments of an application's method and writes
// its answer, in JSON, without reflection: encoding/json doubles the size of a
// small guest and the time to start one.
//
// It reads what wasm-abi 4.1 describes: an object of named arguments, or an
// array in the order of declaration. It is strict: names that the method does
// not have, names that come twice and bytes after the value are errors, and so
// is text that is not UTF-8.
//
// The package is pure and also runs outside a guest.
package jsonargs
