package blobkit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A manifest at rest, integers big-endian:
//
//	magic     8 bytes  "MEROBLOB"
//	version   1 byte   1; another number is ErrNewer
//	size      8 bytes  length of the content
//	created   8 bytes  Unix time in nanoseconds
//	hash     32 bytes  SHA-256 of the content
//	mime      1 byte length, then that many bytes
//	chunks   32 bytes each, as many as size asks for
//	sum      32 bytes  SHA-256 of everything before it
//
// The ids of the chunks prove themselves against the blob id; the sum covers the
// rest, so that a flipped bit in a size or a type is seen too.
const (
	manifestMagic   = "MEROBLOB"
	manifestVersion = 1
	manifestFixed   = len(manifestMagic) + 1 + 8 + 8 + sha256.Size + 1
	maxMIME         = 255
	maxManifest     = int64(manifestFixed) + maxMIME + (MaxBlob/ChunkSize)*sha256.Size + sha256.Size
)

// Info is what the store knows of a blob besides its bytes.
type Info struct {
	ID      ID
	Size    int64     // bytes
	Hash    [32]byte  // SHA-256 of the content
	MIME    string    // sniffed from the first 512 bytes, as a browser does
	Created time.Time // when it was first put here, UTC
}

type manifest struct {
	Info
	chunks []chunkID
}

// encode is the byte form. The caller keeps MIME within maxMIME bytes.
func (m *manifest) encode() []byte {
	b := make([]byte, 0, manifestFixed+len(m.MIME)+(len(m.chunks)+1)*sha256.Size)
	b = append(b, manifestMagic...)
	b = append(b, manifestVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Size))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Created.UnixNano()))
	b = append(b, m.Hash[:]...)
	b = append(b, byte(len(m.MIME)))
	b = append(b, m.MIME...)
	for i := range m.chunks {
		b = append(b, m.chunks[i][:]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decodeManifest reads the byte form of the manifest of blob id. It accepts
// exactly what encode writes, and wraps ErrNewer for another version.
func decodeManifest(id ID, b []byte) (*manifest, error) {
	if len(b) <= len(manifestMagic) || string(b[:len(manifestMagic)]) != manifestMagic {
		return nil, errors.New("not a blob manifest")
	}
	if v := b[len(manifestMagic)]; v != manifestVersion {
		return nil, fmt.Errorf("%w: manifest version %d", ErrNewer, v)
	}
	if len(b) < manifestFixed+sha256.Size {
		return nil, fmt.Errorf("truncated to %d bytes", len(b))
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, errors.New("checksum differs")
	}
	m := &manifest{Info: Info{ID: id}}
	rest := body[len(manifestMagic)+1:]
	size := binary.BigEndian.Uint64(rest)
	if size > MaxBlob {
		return nil, fmt.Errorf("size %d is over the limit", size)
	}
	m.Size = int64(size)
	m.Created = time.Unix(0, int64(binary.BigEndian.Uint64(rest[8:]))).UTC()
	rest = rest[16+copy(m.Hash[:], rest[16:]):]
	n := int(rest[0])
	rest = rest[1:]
	if len(rest) < n {
		return nil, errors.New("content type is cut off")
	}
	m.MIME, rest = string(rest[:n]), rest[n:]
	if int64(len(rest)) != chunkCount(m.Size)*sha256.Size {
		return nil, fmt.Errorf("%d bytes of chunk ids for a size of %d", len(rest), m.Size)
	}
	m.chunks = make([]chunkID, len(rest)/sha256.Size)
	for i := range m.chunks {
		copy(m.chunks[i][:], rest[i*sha256.Size:])
	}
	if got := blobID(m.chunks); got != id {
		return nil, fmt.Errorf("names chunks of another blob, %s", got)
	}
	return m, nil
}
