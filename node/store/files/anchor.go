package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
)

const (
	anchorMagic    = "meroanc1"
	anchorSlot     = 512
	anchorSlots    = 2
	anchorTextSize = len(anchorMagic) + 8
)

// Anchor is a file that names the newest acknowledged transaction. It has two slots,
// written in turn, so that a torn write leaves the other one. It is not synced: a
// power cut may leave it behind the database, which is harmless; it is never ahead
// of what was made durable before. It has one user at a time.
//
//	slot = "meroanc1" | u64 transaction | u32 crc32c of both
type Anchor struct {
	file *os.File
	last uint64
	slot int64
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// ReadAnchor returns the newest valid slot; zero when there is no file, or none
// is valid. It changes nothing.
func ReadAnchor(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the store's anchor: %w", err)
	}
	var last uint64
	for i := range anchorSlots {
		off := i * anchorSlot
		if len(b) < off+anchorTextSize+4 {
			continue
		}
		text := b[off : off+anchorTextSize]
		sum := binary.BigEndian.Uint32(b[off+anchorTextSize:])
		if string(text[:len(anchorMagic)]) != anchorMagic || sum != castagnoli(text) {
			continue
		}
		last = max(last, binary.BigEndian.Uint64(text[len(anchorMagic):]))
	}
	return last, nil
}

// OpenAnchor opens the file for writing and makes both slots say last.
func OpenAnchor(path string, last uint64) (*Anchor, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the store's anchor: %w", err)
	}
	a := &Anchor{file: f, last: last}
	// The whole file in one write: its space is claimed now, so that a full disk
	// cannot refuse it later.
	image := make([]byte, anchorSlot*anchorSlots)
	for i := range anchorSlots {
		copy(image[i*anchorSlot:], anchorText(last))
	}
	if _, err := f.WriteAt(image, 0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write the store's anchor: %w", err)
	}
	return a, nil
}

func anchorText(n uint64) []byte {
	b := make([]byte, 0, anchorTextSize+4)
	b = append(b, anchorMagic...)
	b = binary.BigEndian.AppendUint64(b, n)
	return binary.BigEndian.AppendUint32(b, castagnoli(b))
}

// Last is the transaction that the anchor names.
func (a *Anchor) Last() uint64 { return a.last }

// Set records that transaction n was made durable.
func (a *Anchor) Set(n uint64) error {
	if _, err := a.file.WriteAt(anchorText(n), a.slot*anchorSlot); err != nil {
		return fmt.Errorf("write the store's anchor: %w", err)
	}
	a.slot = (a.slot + 1) % anchorSlots
	a.last = n
	return nil
}

// Close syncs and closes the file.
func (a *Anchor) Close() error {
	return errors.Join(a.file.Sync(), a.file.Close())
}
