// Package commands is the command line of mero: one file per verb, one client
// for all of them.
//
// It owns the words of the command line (names, flags, help, exit codes, the
// shapes of `--output json`) and nothing else: verbs talk to a node through
// node/api; only `node run`, `node init`, `node config` and `admin token` on a
// stopped node's home open what is on disk. commands/STYLE.md has the rules for
// a new verb, and tests walk all verbs to hold them.
//
// Main may be called in process, many times and at the same time: it keeps
// nothing between calls. It starts no goroutine that outlives it, and touches
// the process only by reading its environment and, for the time of the call,
// by taking its interrupt signals.
//
// Standard output carries data and nothing else; what a person should know
// besides goes to standard error, the error last. A crash leaves files whole:
// config.toml, api.addr and the like are written beside and renamed.
package commands
