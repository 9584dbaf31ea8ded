package blobkit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"
)

// seal makes the id and the checksum of a hand-made manifest right, so that the
// checks behind them are reached.
func seal(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(bytes.Clone(body), sum[:]...)
}

func sample(size int64, mime string) *manifest {
	m := &manifest{Info: Info{Size: size, Hash: [32]byte{1}, MIME: mime, Created: time.Unix(1, 2).UTC()}}
	for i := range chunkCount(size) {
		m.chunks = append(m.chunks, chunkID{byte(i)})
	}
	m.ID = blobID(m.chunks)
	return m
}

func TestManifestRefuses(t *testing.T) {
	good := sample(ChunkSize+1, "text/plain")
	body := good.encode()
	body = body[:len(body)-sha256.Size]
	at := func(i int, v byte) []byte {
		b := bytes.Clone(body)
		b[i] = v
		return seal(b)
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "not a blob manifest"},
		{"other file", []byte("something else entirely"), "not a blob manifest"},
		{"short", body[:20], "truncated to 20 bytes"},
		{"bad sum", append(bytes.Clone(body), make([]byte, 32)...), "checksum differs"},
		{"version", at(8, 2), "newer version"},
		{"size over the limit", at(9, 0xff), "over the limit"},
		{"size of more chunks", at(13, 1), "64 bytes of chunk ids for a size of"},
		{"chunk missing", seal(body[:len(body)-32]), "32 bytes of chunk ids for a size of"},
		{"chunk too many", seal(append(bytes.Clone(body), make([]byte, 32)...)), "96 bytes of chunk ids for a size of"},
		{"other chunk", at(len(body)-1, 9), "names chunks of another blob"},
		{"type longer than the rest", at(manifestFixed-1, 255), "content type is cut off"},
	} {
		_, err := decodeManifest(good.ID, tt.b)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if errors.Is(err, ErrNewer) != (tt.name == "version") {
			t.Errorf("%s: newer is wrong: %v", tt.name, err)
		}
	}
}

// FuzzManifest: no input panics, and what decodes encodes to the same bytes. The
// id and the checksum are made right, or nothing would ever decode.
func FuzzManifest(f *testing.F) {
	for _, m := range []*manifest{
		sample(0, ""), sample(1, "a/b"), sample(3*ChunkSize, strings.Repeat("x", maxMIME)), sample(ChunkSize, "text/plain; charset=utf-8"),
	} {
		b := m.encode()
		f.Add(b[:len(b)-sha256.Size], false)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if !sealed {
			b = seal(b)
		}
		_, err := decodeManifest(ID{}, b)
		if err == nil {
			t.Fatal("a manifest of another blob was accepted")
		}
		id, ok := claimedID(b)
		if !ok {
			return
		}
		m, err := decodeManifest(id, b)
		if err != nil {
			return
		}
		if again := m.encode(); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// claimedID is the id of the chunks a manifest would name if it were in order.
func claimedID(b []byte) (ID, bool) {
	if len(b) < manifestFixed+sha256.Size {
		return ID{}, false
	}
	rest := b[manifestFixed : len(b)-sha256.Size]
	n := int(b[manifestFixed-1])
	if len(rest) < n || (len(rest)-n)%sha256.Size != 0 {
		return ID{}, false
	}
	return sha256.Sum256(rest[n:]), true
}
