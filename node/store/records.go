package store

import (
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"mero/node/auth"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/root"
)

// Records are CBOR maps with integer keys, so that fields can be added: an older
// record lacks them, and they read as zero. Numbers are never used again. Times
// are nanoseconds since 1970, zero for none.

type schemaRecord struct {
	Version uint32 `cbor:"1,keyasint"`
}

// counterRecord is written with every transaction. Because of that the newest
// transaction is never compacted away, which the inspection relies on.
type counterRecord struct {
	NextXCall      uint64 `cbor:"1,keyasint"`
	NextGeneration uint32 `cbor:"2,keyasint"`
}

type contextRecord struct {
	App         ident.AppID   `cbor:"1,keyasint"`
	Created     int64         `cbor:"2,keyasint"`
	Genesis     delta.ID      `cbor:"3,keyasint"`
	Heads       []delta.ID    `cbor:"4,keyasint"`
	Clock       delta.Time    `cbor:"5,keyasint"`
	Sum         root.Sum      `cbor:"6,keyasint"`
	Root        [32]byte      `cbor:"7,keyasint"`
	GuestRoot   [32]byte      `cbor:"8,keyasint"`
	Epoch       delta.EpochID `cbor:"9,keyasint"`
	Deltas      uint64        `cbor:"10,keyasint"`
	StateBytes  uint64        `cbor:"11,keyasint"`
	StateQuota  uint64        `cbor:"12,keyasint"`
	Initialised bool          `cbor:"13,keyasint"`
	Step        uint64        `cbor:"14,keyasint"`
	Base        uint32        `cbor:"15,keyasint"`
	Overlay     uint32        `cbor:"16,keyasint"` // zero: none
	LastTime    delta.Time    `cbor:"17,keyasint"`
	LastID      delta.ID      `cbor:"18,keyasint"`
	Voids       uint64        `cbor:"19,keyasint"`
	Waiting     uint64        `cbor:"20,keyasint"`

	Creator ident.PublicKey `cbor:"21,keyasint"`
	Layouts uint16          `cbor:"22,keyasint"`
	Former  []ident.AppID   `cbor:"23,keyasint,omitempty"`
	Members [32]byte        `cbor:"24,keyasint"`
}

func newContextRecord(c *Context, g generations) *contextRecord {
	return &contextRecord{
		App: c.App, Created: nanos(c.Created), Genesis: c.Genesis, Heads: c.Heads, Clock: c.Clock,
		Sum: c.Sum, Root: c.Root, GuestRoot: c.GuestRoot, Epoch: c.Epoch, Deltas: c.Deltas,
		StateBytes: c.StateBytes, StateQuota: c.StateQuota, Initialised: c.Initialised, Step: c.Step,
		Base: g.base, Overlay: g.overlay,
		LastTime: c.Last.Time, LastID: c.Last.ID, Voids: c.Voids, Waiting: c.Waiting,
		Creator: c.Creator, Layouts: c.Layouts, Former: c.Former, Members: c.Members,
	}
}

func (r *contextRecord) generations() generations {
	return generations{base: r.Base, overlay: r.Overlay}
}

func (r *contextRecord) context(id ident.ContextID) Context {
	return Context{
		ID: id, App: r.App, Created: fromNanos(r.Created), Genesis: r.Genesis, Heads: r.Heads, Clock: r.Clock,
		Sum: r.Sum, Root: r.Root, GuestRoot: r.GuestRoot, Epoch: r.Epoch, Deltas: r.Deltas,
		StateBytes: r.StateBytes, StateQuota: r.StateQuota, Initialised: r.Initialised, Step: r.Step,
		Last: delta.Place{Time: r.LastTime, ID: r.LastID}, Voids: r.Voids, Waiting: r.Waiting,
		Creator: r.Creator, Layouts: r.Layouts, Former: r.Former, Members: r.Members,
	}
}

// contextHead is the part of a contextRecord that a commit needs.
type contextHead struct {
	Step    uint64 `cbor:"14,keyasint"`
	Base    uint32 `cbor:"15,keyasint"`
	Overlay uint32 `cbor:"16,keyasint"`
}

type appRecord struct {
	Blob      [32]byte `cbor:"1,keyasint"`
	Size      uint64   `cbor:"2,keyasint"`
	Source    string   `cbor:"3,keyasint"`
	Metadata  []byte   `cbor:"4,keyasint"`
	Package   string   `cbor:"5,keyasint"`
	Version   string   `cbor:"6,keyasint"`
	Installed int64    `cbor:"7,keyasint"`
}

type identityRecord struct {
	Key         [32]byte          `cbor:"1,keyasint"` // seed
	Seal        [32]byte          `cbor:"2,keyasint"` // seed
	Incarnation delta.Incarnation `cbor:"3,keyasint"`
	Seq         uint64            `cbor:"4,keyasint"`
	Created     int64             `cbor:"5,keyasint"`
}

type tokenRecord struct {
	Name    string   `cbor:"1,keyasint"`
	Scopes  []string `cbor:"2,keyasint"`
	Created int64    `cbor:"3,keyasint"`
	Expires int64    `cbor:"4,keyasint"`
	Revoked int64    `cbor:"5,keyasint"`
	Parent  string   `cbor:"6,keyasint"`
}

func (r *tokenRecord) key(id string) auth.Key {
	return auth.Key{
		ID: id, Name: r.Name, Scopes: r.Scopes, Parent: r.Parent,
		Created: fromNanos(r.Created), Expires: fromNanos(r.Expires), Revoked: fromNanos(r.Revoked),
	}
}

type xcallRecord struct {
	Source   ident.ContextID `cbor:"1,keyasint"`
	Target   ident.ContextID `cbor:"2,keyasint"`
	Function string          `cbor:"3,keyasint"`
	Params   []byte          `cbor:"4,keyasint"`
	Depth    uint8           `cbor:"5,keyasint"`
	// Group is zero, or a generation whose group record says that it counts.
	Group uint32 `cbor:"6,keyasint"`
}

type invitationRecord struct {
	Bytes []byte `cbor:"1,keyasint"`
	Left  uint32 `cbor:"2,keyasint"`
}

type leftoverRecord struct {
	Context ident.ContextID `cbor:"1,keyasint"`
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// codec turns records into bytes and back.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() (codec, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return codec{}, fmt.Errorf("cbor: %w", err)
	}
	dec, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden}.DecMode()
	if err != nil {
		return codec{}, fmt.Errorf("cbor: %w", err)
	}
	return codec{enc: enc, dec: dec}, nil
}

func (c codec) encode(record any) ([]byte, error) {
	b, err := c.enc.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return b, nil
}

// decode fills record; its error is a *DamagedError, since only this package
// wrote the bytes.
func (c codec) decode(b []byte, record any) error {
	if err := c.dec.Unmarshal(b, record); err != nil {
		return &DamagedError{File: fmt.Sprintf("record %T", record), Reason: "does not decode", Err: err}
	}
	return nil
}
