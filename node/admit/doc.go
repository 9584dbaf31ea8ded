// Package admit is how members of this node let others into a context, and how this
// node enters one: invitations, admissions, and what both sides check about them (R15).
//
// It makes and checks papers and payloads. That an admission becomes a delta of the
// context, is node/replica's; who may do what, package members says.
package admit
