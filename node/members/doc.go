// Package members is who may do what in a context, and the signed papers by which one
// becomes a member: invitation, join request, and the binding that tells for whom a
// connection speaks.
//
// # Authority at the cut (R11)
//
// The membership at a delta is a function of the delta's causal past alone. It is a
// [View]: an immutable set of members and of revoked invitations. The view in the past
// of a delta, its cut, is the union of the views of its parents; the view at a delta
// is its cut, with its own change when it is a member delta that is not void. So every
// replica reaches the same verdicts, whatever the order of arrival.
//
// The union of two views has what either has. A key that two admissions, neither in the
// past of the other, took in, is the member that the first of them in canonical order
// made; so the union is associative, commutative and idempotent.
//
// A [Log] numbers the views that occur in a context in this process, equal ones with
// one number. Deltas that change no membership, which is nearly all, share the number of
// their parents.
//
// # Papers
//
// All are canonical CBOR maps with unsigned keys, of version 1, signed with Ed25519
// under a domain of their own over the map without its signature; the decoders take
// what the encoders write and nothing else. Times are whole seconds since 1970.
// Keys of small order are refused in all of them. An admission keeps its invitation for
// all members to read, and a join shows it to whoever is asked; so what lets somebody in is
// the word, which has the bearer key's seed.
//
//	invitation = {1: 1, 2: context bstr32, 3: genesis bstr32, 4: topic secret bstr32,
//	              5: role uint, 6 (o): for whom bstr32, 7 (o): uses uint, 8: expires uint,
//	              9: bearer key bstr32, 10 (o): [address tstr …], 11: issuer bstr32,
//	              12: signature bstr64}            domain "invitation/v1"
//	request    = {1: 1, 2: invitation id bstr32, 3: member bstr32, 4: sealing key bstr32,
//	              5: peer tstr, 6: time uint, 7: signature bstr64   "join/v1"
//	              8: proof bstr64}, by the bearer key over the same  "bearer/v1"
//	binding    = {1: 1, 2: context bstr32, 3: member bstr32, 4: peer tstr, 5: role uint,
//	              6: time uint, 7: expires uint, 8: signature bstr64}  "binding/v1"
//
//	invitation id = SHA-256 of the invitation's map without its signature
//	word          = "mero1" ‖ base58(invitation ‖ seed of the bearer key bstr32 ‖ first 4
//	                bytes of SHA-256("mero/word/v1" 00 ‖ invitation ‖ seed))
//	view          = 01 ‖ genesis id ‖ u32 members ‖ members ascending by key ‖
//	                u32 revoked ‖ invitation ids ascending, numbers big endian
//	a member      = key ‖ sealing key ‖ u8 role ‖ u8 capabilities ‖ by ‖ admission ‖
//	                u64 since ‖ invitation id
//	digest        = SHA-256("mero/members/v1" 00 ‖ view)
//
// The package is pure: it stores nothing and asks no clock. Views are immutable and
// may be shared; a Log may be used by several goroutines.
package members
