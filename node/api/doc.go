// Package api owns the HTTP surface's shapes: every request and response body,
// the errors, and the client that all commands use.
//
// The shapes are those of existing Calimero clients (http-api 4): camelCase,
// a few snake_case exceptions, byte strings as arrays of numbers, answers in
// {"data": …} but for the exceptions that the spec lists. Routes of mero's own
// live below /admin-api/x/ (http-api 10).
//
// What a client of this package may rely on:
//
//   - Every method honours its context's deadline; there is no other timeout.
//   - Errors are *UnreachableError (no node answered), *Error (the node
//     answered with an HTTP error), *RPCError (a call failed; Type tells how),
//     or wrap context.DeadlineExceeded or context.Canceled.
//   - A response is read up to a limit; more is ErrTooLong, never memory.
//   - The token goes to the base URL's host only: redirects are not followed.
//
// The package holds no state and starts no goroutine; a Client may be used by
// many goroutines.
package api
