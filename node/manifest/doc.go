// Package manifest is the description that an application carries: its methods
// with their arguments, the types they use, its state and its events. It is JSON
// in the custom section "mero" of the binary, written by `mero app build`, and
// any other tool chain may write it too.
//
// A description says what its author says; nothing of it is checked against the
// code. A node uses it to refuse wrong arguments field by field, to run methods
// that only read without recording, and to name handlers; people see it in
// `mero app methods`.
//
// Types are words: string, bool, int, uint, float, bytes (base64), time
// (RFC 3339), json (anything), list<T>, map<T> (an object of T), ?T (T or null),
// or the name of an entry of types, which is an object with fields.
//
// The package is pure. Parse is total on all bytes; what it gives is valid and
// is not changed afterwards, so it may be shared.
package manifest
