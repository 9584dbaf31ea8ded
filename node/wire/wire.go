package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"mero/node/detcbor"
)

// Version is the version of all protocols between nodes that this release speaks.
const Version = 1

// What is wrong with bytes that are not a message. Every error of Decode wraps one
// of these or is a *VersionError, and is the fault of who sent the bytes.
var (
	// ErrMalformed: not CBOR, or not of the form that the kind has.
	ErrMalformed = errors.New("malformed message")
	// ErrNotCanonical: well-formed, but not the one deterministic encoding.
	ErrNotCanonical = errors.New("message is not canonical")
	// ErrTooLarge: more bytes, or more items in a list, than the limits allow.
	ErrTooLarge = errors.New("message exceeds a limit")
	// ErrUnknownKind: no kind of this release.
	ErrUnknownKind = errors.New("unknown kind of message")
)

// VersionError says that the other side speaks another version of the protocol.
type VersionError struct{ Theirs uint64 }

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the other node speaks version %d of the protocol, this one version %d", e.Theirs, Version)
}

// Kind tells messages apart. Its numbers are final.
type Kind uint64

// The kinds of messages, by protocol.
const (
	KindRefusal  Kind = 1  // any protocol: ends it, with the reason
	KindHello    Kind = 2  // hello
	KindTags     Kind = 3  // hello
	KindBindings Kind = 4  // hello
	KindAsk      Kind = 5  // join
	KindAdmitted Kind = 6  // join
	KindOpen     Kind = 7  // sync
	KindKnown    Kind = 8  // sync
	KindBatch    Kind = 9  // sync
	KindSent     Kind = 10 // sync
	KindAck      Kind = 11 // sync
	KindBeat     Kind = 12 // heartbeat
	KindEqual    Kind = 13 // heartbeat
	KindDetail   Kind = 14 // heartbeat
	KindWant     Kind = 15 // blob
	KindSize     Kind = 16 // blob
	KindPiece    Kind = 17 // blob
	KindKeysAsk  Kind = 18 // keys
	KindKeys     Kind = 19 // keys
	KindPublish  Kind = 20 // gossip
	KindAnnounce Kind = 21 // gossip
)

// Message is one of the message types of this package, as a pointer.
type Message interface {
	// Kind is the message's kind.
	Kind() Kind
	// check holds the limits of lists and values.
	check() error
}

// opens are the kinds that begin a protocol and carry its version as key 1.
func (k Kind) opens() bool {
	return k == KindHello || k == KindAsk || k == KindOpen || k == KindBeat || k == KindWant || k == KindKeysAsk
}

// blank makes an empty message of a kind; nil for an unknown one.
func blank(k Kind) Message {
	all := [...]func() Message{
		KindRefusal: func() Message { return new(Refusal) }, KindHello: func() Message { return new(Hello) },
		KindTags: func() Message { return new(Tags) }, KindBindings: func() Message { return new(Bindings) },
		KindAsk: func() Message { return new(Ask) }, KindAdmitted: func() Message { return new(Admitted) },
		KindOpen: func() Message { return new(Open) }, KindKnown: func() Message { return new(Known) },
		KindBatch: func() Message { return new(Batch) }, KindSent: func() Message { return new(Sent) },
		KindAck: func() Message { return new(Ack) }, KindBeat: func() Message { return new(Beat) },
		KindEqual: func() Message { return new(Equal) }, KindDetail: func() Message { return new(Detail) },
		KindWant: func() Message { return new(Want) }, KindSize: func() Message { return new(Size) },
		KindPiece: func() Message { return new(Piece) }, KindKeysAsk: func() Message { return new(KeysAsk) },
		KindKeys: func() Message { return new(Keys) }, KindPublish: func() Message { return new(Publish) },
		KindAnnounce: func() Message { return new(Announce) },
	}
	for i, fresh := range all {
		if Kind(i) == k && fresh != nil {
			return fresh()
		}
	}
	return nil
}

// frame is what every message is wrapped in.
type frame struct {
	_    struct{} `cbor:",toarray"`
	Kind Kind
	Body cbor.RawMessage
}

// Encode writes a message. The error says which limit it is over: a fault of the
// caller.
func Encode(m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("message of kind %d: %w", m.Kind(), err)
	}
	out, err := encMode.Marshal(whole{Kind: m.Kind(), Body: m})
	if err != nil {
		return nil, fmt.Errorf("message of kind %d: %w: %w", m.Kind(), ErrMalformed, err)
	}
	return out, nil
}

// whole is frame for the encoder.
type whole struct {
	_    struct{} `cbor:",toarray"`
	Kind Kind
	Body any
}

// Decode reads a message of any kind. Errors: ErrMalformed, ErrNotCanonical,
// ErrTooLarge, ErrUnknownKind, *VersionError.
func Decode(data []byte) (Message, error) {
	var f frame
	if err := decMode.Unmarshal(data, &f); err != nil {
		return nil, formError(err)
	}
	m := blank(f.Kind)
	if m == nil {
		return nil, fmt.Errorf("%w: %d", ErrUnknownKind, f.Kind)
	}
	if f.Kind.opens() {
		var first struct {
			Version uint64 `cbor:"1,keyasint"`
		}
		if err := looseMode.Unmarshal(f.Body, &first); err != nil {
			return nil, formError(err)
		}
		if first.Version != Version {
			return nil, &VersionError{Theirs: first.Version}
		}
	}
	if err := decMode.Unmarshal(f.Body, m); err != nil {
		return nil, formError(err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	again, err := encMode.Marshal(whole{Kind: f.Kind, Body: m})
	if err != nil {
		return nil, formError(err)
	}
	if !bytes.Equal(again, data) {
		return nil, ErrNotCanonical
	}
	return m, nil
}

// formError sorts an error of the library by whether a limit was passed.
func formError(err error) error {
	var (
		array   *cbor.MaxArrayElementsError
		pairs   *cbor.MaxMapPairsError
		nesting *cbor.MaxNestedLevelError
	)
	if errors.As(err, &array) || errors.As(err, &pairs) || errors.As(err, &nesting) {
		return fmt.Errorf("%w: %v", ErrTooLarge, err) //nolint:errorlint // the library says io.EOF, which means another thing to callers
	}
	return fmt.Errorf("%w: %v", ErrMalformed, err) //nolint:errorlint // likewise
}

// The library's modes. What a list may hold in its place is checked afterwards; what reads
// the version alone passes over all else.
var (
	encMode, _   = detcbor.EncMode()                                                                 //nolint:gochecknoglobals // immutable, and costly to make
	decMode, _   = detcbor.Limits{Nesting: 6, Elements: MaxTips, Pairs: 32}.DecMode()                //nolint:gochecknoglobals // likewise
	looseMode, _ = detcbor.Limits{Nesting: 6, Elements: MaxTips, Pairs: 32, AnyKeys: true}.DecMode() //nolint:gochecknoglobals // likewise
)

// limit checks the length of a list or string.
func limit(name string, n, most int) error {
	if n > most {
		return fmt.Errorf("%w: %s: %d, limit %d", ErrTooLarge, name, n, most)
	}
	return nil
}
