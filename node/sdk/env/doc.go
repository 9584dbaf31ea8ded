// Package env is the raw host interface of an application written in Go and
// compiled for GOOS=wasip1 GOARCH=wasm: the functions of the import module
// "env" (wasm-abi 1), one Go function each, in the pointer calling convention.
// Everywhere else the package is empty.
//
// What a host function refuses (a key too long, text that is not UTF-8, a
// second commit) it answers with a trap: the call ends there, nothing is
// committed, and no Go code runs afterwards, deferred functions included.
//
// Only the functions that a program reaches become imports of its binary, so
// an application that never calls PrivateWrite runs on hosts without private
// storage.
//
// A guest is called by one host thread and host functions never call back, so
// the descriptors that are handed to the host are package variables: they must
// not lie on a goroutine's stack, which moves when it grows.
package env
