// Package host is what the SDK stands on: the functions of a call's host, with
// two bodies. For GOOS=wasip1 they are the imports of module "mero"
// (INTERFACE.md) and of package env; everywhere else they are a Call in memory,
// which package sdktest makes.
//
// What the host refuses ends the call: in a guest nothing runs afterwards, in
// memory it is a panic with a *MisuseError that has the same words.
package host
