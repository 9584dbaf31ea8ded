// Package line is the command line itself: verbs in groups, flags that may stand
// anywhere, what a verb works with, and what becomes of its error.
//
// A verb is a value, Verb; NewTree makes the command line of them, and Main runs
// one. A verb gets an Env: its flags and arguments, the streams, and the node that
// the global flags name. Data goes to Env.Out alone, by Object and List, so that
// each verb has a form for scripts; the rest goes to Env.Err.
//
// An error decides on the exit code, in the one table of errors.go: *UsageError,
// *FailedError, and what package api and a node return.
package line
