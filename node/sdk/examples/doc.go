// Package examples holds the example applications that come with mero, built,
// so that a node can be tried without a toolchain. Their sources lie below, one
// folder each.
//
// The binaries depend on their source, that of the SDK, and the version of Go. A
// test builds them again and compares; `go generate ./node/sdk/examples` brings them
// up to date after a change.
package examples
