package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"mero/node/delta"
	"mero/node/ident"
)

// Every key begins with the byte of its table. Numbers are big endian, so that
// they sort. "text" is escaped and ended as by appendText. The comment says which
// package writes the records.
const (
	// 01 name: schema version; counters. Written by this package.
	tableMeta = 0x01
	// 10 app: App. node/apps.
	tableApp = 0x10
	// 11 app text(method): nothing; the method has committed (R6). node/replica.
	tableWriter = 0x11
	// 12 kind scope text(name): 32 bytes. node/server, node/replica.
	tableAlias = 0x12
	// 13 text(id): auth.Key. node/auth.
	tableToken = 0x13
	// 14 context: Context with its generations. node/replica.
	tableContext = 0x14
	// 15 context: nothing; the context is deleted but not swept. This package.
	tableGone = 0x15
	// 16 context member: Identity; context zero while not bound. node/replica.
	tableIdentity = 0x16
	// 17 context epoch: 32 bytes. node/replica.
	tableEpoch = 0x17
	// 18 u64 number: XCall. node/replica.
	tableXCall = 0x18
	// 19 u32 generation: written ahead, not visible, to be swept. This package.
	tableLeftover = 0x19
	// 1a u32 generation: the queue entries of that generation count. This package.
	tableGroup = 0x1a
	// 1b context id: Invitation. node/replica.
	tableInvitation = 0x1b
	// 30..36 context u32 generation form u32 page: paged values, see below.
	tableSpaces = 0x30
)

// space is one of the key spaces of a context. In each, a value is cut into
// pages (pages.go), and the context's overlay lies above its base (overlay.go).
type space byte

const (
	spaceState   space = iota // replicated state, by key
	spaceLocal                // node-local state (R6), by key
	spacePrivate              // private_storage_*, by key
	spaceDelta                // u64 time and a delta's bytes, by id
	spaceFate                 // fate and reason, by time and id
	spaceUndo                 // undo spans (R8), by undoForm
	spaceMembers              // the membership at the heads, under the empty key
	spaces                    // how many there are
)

const (
	// MaxKey bounds keys of state, in bytes.
	MaxKey = 1 << 20
	// maxPlainKey is the longest key that is written out in badger's key. A longer
	// one is named by its hash, and kept beside the value.
	maxPlainKey = 512
	// keyChunkPage is the page number of the first piece of such a key.
	keyChunkPage = 1 << 31
	// keyChunk is the size of a piece.
	keyChunk = 32 << 10

	formPlain  = 0x00
	formHashed = 0x01

	pageBytes       = 4
	generationBytes = 4
	// spacePrefix is the length of table, context and generation.
	spacePrefix = 1 + ident.Size + generationBytes
)

// pageSize is where values of the space are cut. State is cut as the state root
// cuts it (R9). Deltas and undo spans are never overwritten, so fewer pieces are
// better.
func (s space) pageSize() int {
	if s == spaceDelta || s == spaceUndo {
		return 32 << 10
	}
	return 4096
}

func (s space) table() byte { return tableSpaces + byte(s) }

// appendText adds an escaped text that sorts like the text and is never a prefix
// of another: 00 becomes 00 ff, and 00 01 ends it.
func appendText(b, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, 0)
		if i < 0 {
			break
		}
		b = append(b, text[:i]...)
		b = append(b, 0x00, 0xff)
		text = text[i+1:]
	}
	b = append(b, text...)
	return append(b, 0x00, 0x01)
}

// cutText reads what appendText wrote and returns the rest.
func cutText(b []byte) (text, rest []byte, err error) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 >= len(b) {
			return nil, nil, broken("key", "text without an end")
		}
		text = append(text, b[:i]...)
		switch b[i+1] {
		case 0x01:
			return text, b[i+2:], nil
		case 0xff:
			text = append(text, 0)
		default:
			return nil, nil, broken("key", "escape %#x", b[i+1])
		}
		b = b[i+2:]
	}
}

func metaKey(name string) []byte { return append([]byte{tableMeta}, name...) }

func appKey(id ident.AppID) []byte { return append([]byte{tableApp}, id[:]...) }

func writerKey(id ident.AppID, method string) []byte {
	return appendText(append([]byte{tableWriter}, id[:]...), []byte(method))
}

func writerPrefix(id ident.AppID) []byte { return append([]byte{tableWriter}, id[:]...) }

func aliasPrefix(kind AliasKind, scope ident.ContextID) []byte {
	return append([]byte{tableAlias, byte(kind)}, scope[:]...)
}

func aliasKey(kind AliasKind, scope ident.ContextID, name string) []byte {
	return appendText(aliasPrefix(kind, scope), []byte(name))
}

func tokenKey(id string) []byte { return appendText([]byte{tableToken}, []byte(id)) }

func contextKey(id ident.ContextID) []byte { return append([]byte{tableContext}, id[:]...) }

func goneKey(id ident.ContextID) []byte { return append([]byte{tableGone}, id[:]...) }

func identityPrefix(id ident.ContextID) []byte { return append([]byte{tableIdentity}, id[:]...) }

func identityKey(id ident.ContextID, member ident.PublicKey) []byte {
	return append(identityPrefix(id), member[:]...)
}

func epochPrefix(id ident.ContextID) []byte { return append([]byte{tableEpoch}, id[:]...) }

func epochKey(id ident.ContextID, epoch delta.EpochID) []byte {
	return append(epochPrefix(id), epoch[:]...)
}

func invitationPrefix(id ident.ContextID) []byte { return append([]byte{tableInvitation}, id[:]...) }

func invitationKey(id ident.ContextID, invitation [32]byte) []byte {
	return append(invitationPrefix(id), invitation[:]...)
}

func xcallKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tableXCall}, number)
}

func leftoverKey(generation uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{tableLeftover}, generation)
}

func groupKey(generation uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{tableGroup}, generation)
}

// spaceContext is the prefix of all generations of a space.
func spaceContext(s space, id ident.ContextID) []byte {
	b := make([]byte, 0, spacePrefix+96)
	return append(append(b, s.table()), id[:]...)
}

func generationKey(s space, id ident.ContextID, generation uint32) []byte {
	return binary.BigEndian.AppendUint32(spaceContext(s, id), generation)
}

// appendForm adds the form of a key within a space: the key itself, or its hash.
// Plain keys come first and in order, then the others in the order of hashes.
func appendForm(b, key []byte) []byte {
	if len(key) <= maxPlainKey {
		return appendText(append(b, formPlain), key)
	}
	sum := sha256.Sum256(key)
	return append(append(b, formHashed), sum[:]...)
}

// plainForm gives the key of a form, or false for a hash.
func plainForm(form []byte) ([]byte, bool, error) {
	switch {
	case len(form) == 0:
		return nil, false, broken("key", "empty form")
	case form[0] == formHashed && len(form) == 1+sha256.Size:
		return nil, false, nil
	case form[0] != formPlain:
		return nil, false, broken("key", "form %#x", form[0])
	}
	text, rest, err := cutText(form[1:])
	if err != nil {
		return nil, false, err
	}
	if len(rest) > 0 {
		return nil, false, broken("key", "%d bytes after the text", len(rest))
	}
	return text, true, nil
}

// withPage completes a key; head is what comes before the page number.
func withPage(head []byte, page uint32) []byte {
	b := make([]byte, 0, len(head)+pageBytes)
	return binary.BigEndian.AppendUint32(append(b, head...), page)
}

// cutPage splits a key of a space after its generation.
func cutPage(key []byte) (form []byte, page uint32, err error) {
	if len(key) < spacePrefix+1+pageBytes {
		return nil, 0, broken("key", "%d bytes", len(key))
	}
	end := len(key) - pageBytes
	return key[spacePrefix:end], binary.BigEndian.Uint32(key[end:]), nil
}

// fateForm is the key in spaceFate: deltas in canonical order (R8).
func fateForm(t delta.Time, id delta.ID) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+ident.Size), uint64(t))
	return append(b, id[:]...)
}

func cutFateForm(b []byte) (delta.Time, delta.ID, error) {
	var id delta.ID
	if len(b) != 8+ident.Size {
		return 0, id, broken("key", "fate of %d bytes", len(b))
	}
	copy(id[:], b[8:])
	return delta.Time(binary.BigEndian.Uint64(b)), id, nil
}

func checkKey(key []byte) error {
	if len(key) > MaxKey {
		return fmt.Errorf("%w: key of %d bytes, at most %d", ErrTooLarge, len(key), MaxKey)
	}
	return nil
}

// xcallNumber reads the number of a key of tableXCall.
func xcallNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }
