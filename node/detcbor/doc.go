// Package detcbor is how CBOR is written and read wherever the bytes are hashed, signed,
// or come from others: RFC 8949, section 4.2.1 (core deterministic encoding), without tags
// and items of indefinite length. Whoever reads bounds what a decoder makes of hostile
// bytes, and compares the value's encoding with the bytes where only one form may be.
package detcbor
