package blobkit

import (
	"crypto/sha256"

	"mero/node/ident"
)

// ChunkSize is the length in bytes of every chunk of a blob but its last (R22).
// It is part of the naming rule and can not change.
const ChunkSize = 1 << 20

// MaxBlob is the length in bytes of the longest blob the format can hold: 1 TiB.
// Its manifest is 32 MiB.
const MaxBlob = 1 << 40

type (
	blobKind  struct{}
	chunkKind struct{}
)

// Name implements ident.Kind.
func (blobKind) Name() string { return "blob id" }

// Name implements ident.Kind.
func (chunkKind) Name() string { return "chunk id" }

// ID names a blob: the SHA-256 of its chunk ids one after the other.
type ID = ident.ID[blobKind]

// chunkID names a chunk: the SHA-256 of its bytes.
type chunkID = ident.ID[chunkKind]

// ParseID reads a blob id from its base58 text.
func ParseID(text string) (ID, error) { return ident.Parse[blobKind](text) }

// blobID is the id of the blob that consists of these chunks.
func blobID(chunks []chunkID) ID {
	h := sha256.New()
	for i := range chunks {
		h.Write(chunks[i][:])
	}
	var id ID
	h.Sum(id[:0])
	return id
}

// chunkCount is the number of chunks of a blob of size bytes.
func chunkCount(size int64) int64 { return (size + ChunkSize - 1) / ChunkSize }

// chunkLen is the length in bytes of chunk i of a blob of size bytes.
func chunkLen(size, i int64) int { return int(min(ChunkSize, size-i*ChunkSize)) }
