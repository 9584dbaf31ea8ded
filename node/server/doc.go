// Package server owns the HTTP surface of a node: JSON-RPC, the admin API and
// metrics, in the shapes of node/api (http-api 1, 4 and 6).
//
// There is one table of routes (routes.go). Each row says what a caller must
// hold: nothing (public), a token, or a token with a certain scope. What is
// not in the table does not exist. Handlers return errors; one table
// (errors.go) makes statuses, bodies and JSON-RPC error types of them.
//
// Every request passes, in this order:
//
//  1. the Host rule (R25): localhost, loopback addresses and configured names,
//     in every mode, which ends DNS rebinding;
//  2. the Origin rule (R25) and CORS;
//  3. the limit of requests at a time, except for public routes;
//  4. the token and its scope (F21);
//  5. limits of size and time on its body (R24).
//
// Serve runs until its context ends, then lets running requests finish for a
// bounded time, and returns only after that. A request that was answered is
// durable (node/replica); one that was cut off may or may not have happened.
//
// In the reference node this is the calimero-server crate with the guard of
// its embedded auth mode.
package server
