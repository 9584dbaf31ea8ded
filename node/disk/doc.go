// Package disk answers one question for everybody who writes files: how much
// room is left. It keeps nothing and may be called from any goroutine.
package disk
