package auth

import "time"

// Key is the record behind a token. node/store keeps it; times are UTC with
// a resolution of a second.
type Key struct {
	// ID is 32 hex digits drawn at random; it says nothing about the token.
	ID string
	// Name is what its maker called it; at most MaxNameLen bytes, perhaps empty.
	Name string
	// Scopes is what the token allows, as texts of http-api 5.9.
	Scopes []string
	// Parent is the ID of the key whose token asked for this one; empty when it
	// was made at the node's home. A key is good only while its parent, and so
	// the whole line above it, is not revoked.
	Parent string
	// Created is when the token was issued.
	Created time.Time
	// Expires is when it ends by itself.
	Expires time.Time
	// Revoked is when a person ended it, or, in what Issuer.Keys lists, one of
	// those above it if that was earlier; zero while nobody has.
	Revoked time.Time
}

// Keys keeps key records. Every method may be called by many goroutines;
// what PutKey acknowledged survives a crash.
type Keys interface {
	// PutKey stores k under its ID, in place of an earlier record.
	PutKey(k Key) error
	// Key returns the record; false when there is none.
	Key(id string) (Key, bool, error)
	// Keys returns all records in any order.
	Keys() ([]Key, error)
	// DeleteKey forgets a record; it is no error when there is none.
	DeleteKey(id string) error
}
