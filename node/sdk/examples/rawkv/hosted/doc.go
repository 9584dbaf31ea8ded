// Package hosted binds the map of package state to the host interface: where
// it lies, how a call changes it and commits the change for the other members,
// and how a method reads its arguments. Outside a guest the package is empty.
//
// Every function panics on what the caller of the method did wrong; run them
// inside env.Method, which makes that the call's error.
package hosted
