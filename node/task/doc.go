// Package task is when something is to be done that may fail: a deadline that callers may
// bring forward, and a back-off that nobody can talk it out of. It does nothing by itself
// and has no clock; a scheduler asks it.
package task
