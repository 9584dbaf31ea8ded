// Package wire is every message that nodes send each other: its bytes, its limits,
// and nothing of what it means. What is sent when is in node/syncer/PROTOCOL.md.
//
// # Form
//
// A frame, or a message of gossip, is one item of canonical CBOR (RFC 8949, section
// 4.2.1):
//
//	[kind uint, {1: …, 2: …, …}]
//
// The body is a map with small unsigned keys; fields without a value are left out. A
// decoder accepts exactly what the encoder writes (ErrNotCanonical otherwise): no
// indefinite lengths, tags, duplicates, unknown keys, or bytes behind the end. Lists
// are bounded by the constants of this package, nesting by 6.
//
// What begins a protocol carries the version of the protocol as key 1. Another
// version is *VersionError, whatever else the body holds, so that two releases can
// tell each other in words what the matter is.
//
// The package is pure: no I/O, no clock, no logger, no goroutines. All functions may
// be called from any goroutine. Decoded messages share no memory with the frame.
package wire
