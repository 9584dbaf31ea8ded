// Package auth owns tokens: who may call the HTTP API, and for what.
//
// A token is a JWT (HS256) whose subject names a key record. The record, not
// the token, says what is allowed now: revoking a record ends its token at
// once, in this process and after a restart. Records live behind the Keys
// interface (node/store implements it); the signing secret is one 0600 file.
//
// Promises:
//
//   - Verify accepts access tokens alone, signed with this node's secret, not
//     expired, whose record exists and is not revoked. A refresh token never
//     passes as an access token (http-api 5.5).
//   - Nothing here prints a secret or a token, in errors or with %v.
//   - A caller may grant only what it holds itself (Scopes.Covers), and for no
//     longer: a token that IssueFrom made ends with the one that asked for it,
//     by time and by revocation, through the whole line. So who revokes a token
//     that leaked also ends whatever was made with it.
//   - The clock is handed in; no goroutine is started. An Issuer may be used
//     by many goroutines.
//
// At a crash between signing and storing a record nothing is lost: Issue
// stores the record first and hands the token out afterwards, so the worst is
// a record whose token nobody has.
//
// In the reference node this is the mero-auth service (embedded mode).
package auth
