package members

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"

	"mero/node/detcbor"
	"mero/node/ident"
)

// version is the form of papers that this release writes and reads.
const version = 1

// The library's modes are immutable; making one costs more than decoding. What reads the
// version alone passes over all else.
var (
	encMode, _ = detcbor.EncMode()                                                            //nolint:gochecknoglobals // immutable
	decMode, _ = detcbor.Limits{Nesting: 4, Elements: 16, Pairs: 32}.DecMode()                //nolint:gochecknoglobals // likewise
	anyMode, _ = detcbor.Limits{Nesting: 4, Elements: 16, Pairs: 32, AnyKeys: true}.DecMode() //nolint:gochecknoglobals // likewise
)

// encode writes a paper that was checked.
func encode(wire any) []byte {
	b, err := encMode.Marshal(wire)
	if err != nil {
		return nil // there is no value of these structs that does not encode
	}
	return b
}

// decode reads a paper of this version into wire.
func decode(raw []byte, limit int, wire any) error {
	if len(raw) > limit {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(raw), limit)
	}
	var v struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	if err := anyMode.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if v.Version != version {
		return fmt.Errorf("%w: version %d, this release knows %d", ErrVersion, v.Version, version)
	}
	if err := decMode.Unmarshal(raw, wire); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(encode(wire), raw) {
		return fmt.Errorf("%w: not canonical", ErrMalformed)
	}
	return nil
}

// fixed copies a byte string of a fixed length.
func fixed(name string, got, dst []byte) error {
	if len(got) != len(dst) {
		return fmt.Errorf("%w: %s of %d bytes, want %d", ErrMalformed, name, len(got), len(dst))
	}
	copy(dst, got)
	return nil
}

// maxPeer bounds the text of a libp2p peer id, in bytes.
const maxPeer = 128

func checkPeer(peer string) error {
	if peer == "" || len(peer) > maxPeer || !utf8.ValidString(peer) {
		return fmt.Errorf("%w: peer id of %d bytes", ErrMalformed, len(peer))
	}
	return nil
}

func checkKey(name string, key ident.PublicKey) error {
	if err := ident.CheckPublicKey(key); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
	}
	return nil
}

func verify(key ident.PublicKey, domain string, unsigned []byte, sig ident.Signature) error {
	if err := ident.Verify(key, domain, unsigned, sig); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// maxSeconds is the last second that times may name, in the year 2262 as for deltas.
const maxSeconds = 1<<63/1_000_000_000 - 1

// seconds is a time on paper; what is no whole second of R2's range cannot be one.
func seconds(t time.Time) (uint64, error) {
	if s := t.Unix(); s > 0 && s <= maxSeconds && t.Nanosecond() == 0 {
		return uint64(s), nil
	}
	return 0, fmt.Errorf("%w: time %s", ErrMalformed, t)
}

func fromSeconds(s uint64) (time.Time, error) {
	if s == 0 || s > maxSeconds {
		return time.Time{}, fmt.Errorf("%w: time %d", ErrMalformed, s)
	}
	return time.Unix(int64(s), 0).UTC(), nil
}

// first is the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
