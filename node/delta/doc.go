// Package delta is the unit of replication: a signed, sealed change of one
// context, with its canonical bytes, its id and its time.
//
// A [Delta] is immutable and verified: only [Seal] (by its author) and [Open]
// (from bytes) make one. Code that holds a *Delta need not check form, id or
// signature again; what it still has to judge is authority, order and payload.
//
// The package is pure: no I/O, no wall clock, no logger; nonces, epoch keys and
// incarnations are drawn from the operating system's random source. All functions
// may be called from any goroutine. It stores nothing, so a crash costs nothing.
//
// # Form (final for ever: R1)
//
// Everything is CBOR in the core deterministic form of RFC 8949, section 4.2.1:
// definite lengths, shortest integers, sorted keys, no duplicates, no tags.
// A decoder accepts exactly what an encoder writes ([ErrNotCanonical] otherwise).
// "bstr32" is a byte string of 32 bytes.
//
// The envelope is what travels and what is stored, at most [MaxEnvelope] bytes:
//
//	envelope   = [header bstr, signatures [bstr64 …], body bstr]
//	header     = [version uint, context bstr32, kind uint, parents [bstr32 …],
//	              author bstr32, incarnation bstr8, seq uint, time uint,
//	              epoch bstr32, body hash bstr32]
//	body       = [wraps [[member bstr32, wrapped bstr80] …], sealed bstr]
//	sealed     = nonce (24 bytes) ‖ XChaCha20-Poly1305(epoch key, payload)
//
//	id         = SHA-256(header), the header without its bstr head
//	body hash  = SHA-256(body), likewise
//	epoch      = SHA-256("mero/epoch/v1" 00 ‖ epoch key)
//	associated data of the seal = CBOR array of the first nine header elements
//	wrapped    = HPKE (RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//	             ChaCha20Poly1305, base mode) of the epoch key for one member,
//	             info = "mero/epoch/v1" 00 ‖ context, no associated data
//	signatures = Ed25519 over "mero" 00 domain 00 id: the author's first, under
//	             the domain "delta/v1/author"; in a genesis then the context
//	             key's, under "delta/v1/genesis" (the context id is its public key)
//
// Rules of the header, in every version:
//
//   - version ≥ 1; kind 1 … 255; at most 23 elements and [MaxHeader] bytes.
//   - parents strictly ascending by bytes, at most [MaxParents]; none in a genesis,
//     at least one in any other kind.
//   - seq ≥ 1; 1 in a genesis (R3).
//   - time in nanoseconds since 1970, a multiple of 65 536, from [Tick] to [MaxTime]
//     (R2).
//
// Rules of the body in version 1: at most [MaxWraps] wraps, strictly ascending by
// member; sealed is at least 40 bytes.
//
// # How it grows
//
// The envelope, the first ten elements of the header with their rules, the id and
// the author's signature stay as they are in every version. A later version may
// append elements to the header (well-formed CBOR without tags and indefinite
// lengths, not nested deeper than 8), up to three further signatures, and give the
// body another form. So every release knows the id, the author, the parents and the time of
// every delta, can order and forward it, and says [ErrUpgrade] for a version or a
// kind that it cannot fold: "waiting(upgrade)", never a refusal for good (R1, R4).
// An unknown kind of version 1 has one signature and the body of version 1.
//
// # Payloads
//
// Payloads are CBOR maps with small unsigned keys. A key that this release does not
// know is ErrUpgrade too, since what it says may change the fold. Fields without a
// value are left out, and present fields have a value, where marked (o).
//
//	genesis = {1: semantics uint ≥ 1, 2: application bstr32, 3: code bstr32,
//	           4: package tstr, 5: version tstr, 6: sealing key bstr32,
//	           7: state quota uint ≥ 1, 8: rate uint, 9: topic secret bstr32}
//	state   = {1 (o): artifact bstr, 2 (o): guest root bstr32,
//	           3 (o): events [[kind tstr, data bstr, handler tstr] …],
//	           4 (o): depth uint, 5 (o): call [method tstr, input bstr, seed bstr32],
//	           6 (o): operations bstr}
//	member  = {1: admission} or {2: invitation id bstr32}, the latter revoked
//	admission = {1: member key bstr32, 2: sealing key bstr32, 3: role uint ≥ 1,
//	           4: invitation bstr, 5: request bstr}
//	app     = {1: application bstr32, 2: code bstr32, 3 (o): package tstr,
//	           4 (o): version tstr, 5 (o): migration tstr}
//
// State has an artifact, a call or operations, never two of them. The limits of the parts are the constants of this package.
//
// The golden vectors in testdata pin all of this.
package delta
