// Package ident holds the names and keys of mero: 32-byte identifiers and how
// they are written as text, Ed25519 keys that sign, X25519 keys that receive.
//
// Every identifier is one type per kind of thing, so that a context id cannot
// be passed where a blob id is wanted. As text all of them are base58 (Bitcoin
// alphabet) without a prefix; in CBOR they are 32-byte byte strings.
//
// The package is pure: no I/O, no clock, no logger. Key generation reads the
// operating system's random source.
package ident
