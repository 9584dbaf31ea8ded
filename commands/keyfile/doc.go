// Package keyfile is the form of an exported identity: a JSON file with a member's
// private keys, sealed by a passphrase.
//
// It does no I/O. What a file asks of this machine to be opened is bounded.
package keyfile
