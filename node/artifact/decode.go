package artifact

import (
	"encoding/binary"
	"fmt"
	"strings"

	"mero/node/ident"
)

// Decoded is an artifact taken apart, for people: deciding anything by it is left to
// the guest that made it.
type Decoded struct {
	Layout  Layout
	Actions []Action
}

// ActionKind is what an action does. The numbers are those of wasm-abi 6.2.
type ActionKind uint8

// The kinds of action.
const (
	ActionAdd     ActionKind = actionAdd
	ActionCompare ActionKind = actionCompare // up to L6; no effect
	ActionDelete  ActionKind = actionDelete
	ActionUpdate  ActionKind = actionUpdate
)

// String is the kind in one word.
func (k ActionKind) String() string {
	names := [...]string{"add", "compare", "delete", "update"}
	if int(k) >= len(names) {
		return fmt.Sprintf("action %d", uint8(k))
	}
	return names[k]
}

// EntryID is the id of an entry within an application's state.
type EntryID [idSize]byte

// Action is a change of one entry. What a layout does not have is zero. Times are in
// nanoseconds since 1970, as the guest says.
type Action struct {
	Kind ActionKind
	ID   EntryID
	// Data is the entry's new value, of an addition or an update. It is a part of the
	// artifact.
	Data []byte
	// Ancestors are the entries that this one lies in, from its parent to the root.
	// Deletions name them in L1 only.
	Ancestors                 []EntryID
	Created, Updated, Deleted uint64
	// Storage says who may change the entry; nil: everybody, or not said.
	Storage *Storage
	// Type is the CRDT type with its parameters, as Map(String, u64), from L3b on.
	// Field is the name of the field, from L4 on. Empty: not said. Both are UTF-8
	// and can hold anything else.
	Type, Field string
	// Schema is the version of the schema in L7; 0: not said.
	Schema uint32
}

// StorageKind is who may change an entry. The numbers are those of wasm-abi 6.2.
type StorageKind uint8

// The kinds of storage that are not public.
const (
	StorageUser   StorageKind = storageUser   // its owner
	StorageFrozen StorageKind = storageFrozen // nobody
	StorageShared StorageKind = storageShared // its writers
	StorageMember StorageKind = storageMember // the writers of its anchor
)

// String is the kind in one word.
func (k StorageKind) String() string {
	names := [...]string{"public", "user", "frozen", "shared", "member"}
	if int(k) >= len(names) {
		return fmt.Sprintf("storage %d", uint8(k))
	}
	return names[k]
}

// Storage is who may change an entry, and the signature by which peers check it.
type Storage struct {
	Kind    StorageKind
	Owner   ident.PublicKey // of StorageUser
	Writers []Writer        // of StorageShared, ascending by key
	Anchor  EntryID         // of StorageMember
	// Signature is nil if there is no room for one; zero: the host has not signed.
	Signature *Signature
}

// Writer may change a shared entry.
type Writer struct {
	Key  ident.PublicKey
	Mask byte // what it may, in L7
}

// Signature is over one change of an entry (wasm-abi 6.5). It is not checked here.
type Signature struct {
	Bytes  ident.Signature
	Nonce  uint64           // the time of the change
	Signer *ident.PublicKey // from L6 on, if named
}

// Decode takes an artifact apart in a layout. The error wraps ErrLayout exactly when
// the artifact is not empty and the layout is not among its Layouts. Memory is in
// proportion to the artifact's length, at most some ten times as much.
func Decode(artifact []byte, layout Layout) (*Decoded, error) {
	d := &Decoded{Layout: layout}
	f := formOf(layout)
	if f == nil {
		return nil, fmt.Errorf("%w %s", ErrLayout, layout)
	}
	if len(artifact) == 0 {
		return d, nil
	}
	var s scanner
	s.begin(artifact, f)
	d.Actions = make([]Action, 0, s.left)
	for s.next() {
		d.Actions = append(d.Actions, s.action.decoded(artifact, f))
	}
	if !s.ended() {
		return nil, fmt.Errorf("%w %s", ErrLayout, layout)
	}
	return d, nil
}

func (a *action) decoded(artifact []byte, f *form) Action {
	out := Action{Kind: ActionKind(a.tag), ID: EntryID(a.id), Data: a.data, Field: string(a.meta.field)}
	if len(a.links) > 0 {
		out.Ancestors = make([]EntryID, 0, len(a.links))
	}
	for _, link := range a.links {
		out.Ancestors = append(out.Ancestors, EntryID(link[:idSize]))
	}
	if a.deleted != nil {
		out.Deleted = binary.LittleEndian.Uint64(a.deleted)
	}
	m := &a.meta
	if m.times != nil {
		out.Created = binary.LittleEndian.Uint64(m.times)
		out.Updated = binary.LittleEndian.Uint64(m.times[8:])
	}
	if m.schema != nil {
		out.Schema = binary.LittleEndian.Uint32(m.schema)
	}
	if m.crdt != nil {
		out.Type = f.typeText(m.crdt)
	}
	if m.kind != storagePublic {
		out.Storage = m.decoded(artifact, f)
	}
	return out
}

func (m *metadata) decoded(artifact []byte, f *form) *Storage {
	out := &Storage{Kind: StorageKind(m.kind)}
	if m.owner != nil {
		out.Owner = ident.PublicKey(m.owner)
	}
	if m.anchor != nil {
		out.Anchor = EntryID(m.anchor)
	}
	if len(m.keys) > 0 {
		out.Writers = make([]Writer, 0, len(m.keys))
	}
	for i, key := range m.keys {
		w := Writer{Key: ident.PublicKey(key)}
		if f.shared == sharedMap {
			w.Mask = m.writers[4+(i+1)*(keySize+1)-1]
		}
		out.Writers = append(out.Writers, w)
	}
	if m.sign == 0 {
		return out
	}
	out.Signature = &Signature{
		Bytes: ident.Signature(artifact[m.sign : m.sign+signatureSize]),
		Nonce: binary.LittleEndian.Uint64(artifact[m.nonce:]),
	}
	if len(m.signer) > 1 {
		key := ident.PublicKey(m.signer[1:])
		out.Signature.Signer = &key
	}
	return out
}

// typeText is a CRDT type in words. The bytes have been scanned in this form.
func (f *form) typeText(crdt []byte) string {
	names := f.typeNames()
	r := reader{data: crdt[1:]}
	var parts []string
	for r.at < len(r.data) {
		parts = append(parts, string(r.str()))
	}
	name := names[crdt[0]]
	if len(parts) == 0 {
		return name
	}
	return name + "(" + strings.Join(parts, ", ") + ")"
}

// typeNames are the CRDT types by tag, as many as f.types has (wasm-abi 6.2).
func (f *form) typeNames() []string {
	switch f.layout {
	case L3b, L4:
		return []string{
			"Lww", "Counter", "Rga", "UnorderedMap", "UnorderedSet", "Vector", "UserStorage", "FrozenStorage", "Record", "Custom",
		}
	case L5:
		return []string{
			"Lww", "GCounter", "PnCounter", "Rga", "UnorderedMap", "UnorderedSet", "Vector", "UserStorage", "FrozenStorage", "Custom",
		}
	case L6:
		return []string{
			"Lww", "GCounter", "PnCounter", "Rga", "UnorderedMap", "UnorderedSet", "Vector", "UserStorage", "FrozenStorage",
			"SharedStorage", "Custom",
		}
	default: // L7; earlier ones than L3b name no types
		return []string{
			"Lww", "GCounter", "PnCounter", "Rga", "UnorderedMap", "SortedMap", "UnorderedSet", "SortedSet", "Vector", "UserStorage",
			"FrozenStorage", "SharedStorage", "Custom", "RotationLog",
		}
	}
}
