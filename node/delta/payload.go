package delta

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"mero/node/ident"
)

// Genesis is the payload that begins a context and is never changed (R10).
type Genesis struct {
	// Semantics is the version of the host's behaviour that folding follows
	// (limits, fuel, layouts), from 1.
	Semantics uint64
	// App is the application, Code the blob of its WASM.
	App  ident.AppID
	Code [32]byte
	// Package and Version name the application for people; UTF-8, at most MaxName
	// bytes each, may be empty.
	Package, Version string
	// SealKey is the creator's key for wrapped epoch keys.
	SealKey ident.SealPublicKey
	// StateQuota bounds the replicated state, in bytes.
	StateQuota uint64
	// Rate bounds the deltas that one member may make in a minute; 0 is no limit.
	Rate uint64
	// TopicSecret is what names of topics and DHT keys derive from (R14).
	TopicSecret [32]byte
}

// State is the payload of a state delta: what peers apply, and what clients and
// handlers see.
type State struct {
	// Artifact is what the application's commit gave, signed where it has to be.
	Artifact []byte
	// GuestRoot is the root that the guest computed, for inspection only (R9).
	GuestRoot [32]byte
	// Events are what the call emitted, in order.
	Events []Event
	// Depth is the length of the chain of handlers that led here (R20).
	Depth uint8
	// Call is set for an application without commit (wasm-abi 5.9): folding the
	// delta is running the call again. Artifact is empty then.
	Call *Call
	// Ops are the operations on host-managed collections, as node/collections writes
	// them. Artifact and Call are empty then.
	Ops []byte
}

// Event is one event of a call.
type Event struct {
	Kind    string // UTF-8, at most MaxEventKind bytes
	Data    []byte // at most MaxEventData bytes
	Handler string // method that other nodes run; empty: none
}

// Call is a call that is replicated as such.
type Call struct {
	Method string
	Input  []byte
	Seed   [32]byte // of random_bytes
}

type genesisWire struct {
	Semantics   uint64 `cbor:"1,keyasint"`
	App         []byte `cbor:"2,keyasint"`
	Code        []byte `cbor:"3,keyasint"`
	Package     string `cbor:"4,keyasint"`
	Version     string `cbor:"5,keyasint"`
	SealKey     []byte `cbor:"6,keyasint"`
	StateQuota  uint64 `cbor:"7,keyasint"`
	Rate        uint64 `cbor:"8,keyasint"`
	TopicSecret []byte `cbor:"9,keyasint"`
}

type stateWire struct {
	Artifact  []byte      `cbor:"1,keyasint,omitempty"`
	GuestRoot []byte      `cbor:"2,keyasint,omitempty"`
	Events    []eventWire `cbor:"3,keyasint,omitempty"`
	Depth     uint64      `cbor:"4,keyasint,omitempty"`
	Call      *callWire   `cbor:"5,keyasint,omitempty"`
	Ops       []byte      `cbor:"6,keyasint,omitempty"`
}

type eventWire struct {
	_       struct{} `cbor:",toarray"`
	Kind    string
	Data    []byte
	Handler string
}

type callWire struct {
	_      struct{} `cbor:",toarray"`
	Method string
	Input  []byte
	Seed   []byte
}

// EncodeGenesis writes the payload of a genesis. The error wraps ErrPayload.
func EncodeGenesis(g Genesis) ([]byte, error) {
	if err := g.check(); err != nil {
		return nil, fmt.Errorf("genesis: %w: %w", ErrPayload, err)
	}
	return encode("genesis", g.wire())
}

// DecodeGenesis reads the payload of a genesis. Errors wrap ErrPayload, or
// ErrUpgrade for a field that this release does not know.
func DecodeGenesis(payload []byte) (Genesis, error) {
	var w genesisWire
	if err := decode(payload, &w); err != nil {
		return Genesis{}, payloadError("genesis", err)
	}
	g := Genesis{Semantics: w.Semantics, Package: w.Package, Version: w.Version, StateQuota: w.StateQuota, Rate: w.Rate}
	err := errors.Join(
		fixed("application", w.App, g.App[:]),
		fixed("code", w.Code, g.Code[:]),
		fixed("sealing key", w.SealKey, g.SealKey[:]),
		fixed("topic secret", w.TopicSecret, g.TopicSecret[:]),
	)
	if err == nil {
		err = g.check()
	}
	if err == nil {
		err = canonical(payload, g.wire())
	}
	if err != nil {
		return Genesis{}, payloadError("genesis", err)
	}
	return g, nil
}

func (g *Genesis) wire() genesisWire {
	return genesisWire{
		Semantics: g.Semantics, App: g.App[:], Code: g.Code[:], Package: g.Package, Version: g.Version,
		SealKey: g.SealKey[:], StateQuota: g.StateQuota, Rate: g.Rate, TopicSecret: g.TopicSecret[:],
	}
}

func (g *Genesis) check() error {
	if g.Semantics == 0 {
		return fmt.Errorf("semantics: %w: 0", ErrMalformed)
	}
	if g.StateQuota == 0 {
		return fmt.Errorf("state quota: %w: 0", ErrMalformed)
	}
	return errors.Join(text("package", g.Package, MaxName), text("version", g.Version, MaxName))
}

// EncodeState writes the payload of a state delta. The error wraps ErrPayload and,
// when a limit is the reason, ErrTooLarge.
func EncodeState(s State) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("state: %w: %w", ErrPayload, err)
	}
	return encode("state", s.wire())
}

// DecodeState reads the payload of a state delta. Errors wrap ErrPayload, or
// ErrUpgrade for a field that this release does not know.
func DecodeState(payload []byte) (State, error) {
	var w stateWire
	if err := decode(payload, &w); err != nil {
		return State{}, payloadError("state", err)
	}
	s := State{Artifact: w.Artifact, Depth: uint8(min(w.Depth, 255)), Ops: w.Ops}
	for _, e := range w.Events {
		s.Events = append(s.Events, Event{Kind: e.Kind, Data: e.Data, Handler: e.Handler})
	}
	var err error
	if len(w.GuestRoot) > 0 {
		err = fixed("guest root", w.GuestRoot, s.GuestRoot[:])
	}
	if w.Call != nil {
		s.Call = &Call{Method: w.Call.Method, Input: w.Call.Input}
		err = errors.Join(err, fixed("seed", w.Call.Seed, s.Call.Seed[:]))
	}
	if err == nil {
		err = s.check()
	}
	if err == nil {
		err = canonical(payload, s.wire())
	}
	if err != nil {
		return State{}, payloadError("state", err)
	}
	return s, nil
}

func (s *State) wire() stateWire {
	w := stateWire{Artifact: s.Artifact, Depth: uint64(s.Depth), Ops: s.Ops}
	if s.GuestRoot != [32]byte{} {
		w.GuestRoot = s.GuestRoot[:]
	}
	for _, e := range s.Events {
		w.Events = append(w.Events, eventWire{Kind: e.Kind, Data: e.Data, Handler: e.Handler})
	}
	if s.Call != nil {
		w.Call = &callWire{Method: s.Call.Method, Input: s.Call.Input, Seed: s.Call.Seed[:]}
	}
	return w
}

func (s *State) check() error {
	forms := 0
	for _, has := range []bool{len(s.Artifact) > 0, s.Call != nil, len(s.Ops) > 0} {
		if has {
			forms++
		}
	}
	if forms > 1 {
		return fmt.Errorf("%w: more than one of artifact, call and operations", ErrMalformed)
	}
	errs := []error{
		size("artifact", len(s.Artifact), MaxArtifact),
		size("operations", len(s.Ops), MaxArtifact),
		size("events", len(s.Events), MaxEvents),
		size("depth", int(s.Depth), MaxDepth),
	}
	for _, e := range s.Events {
		errs = append(errs,
			text("event kind", e.Kind, MaxEventKind),
			size("event data", len(e.Data), MaxEventData),
			text("event handler", e.Handler, MaxHandler))
	}
	if s.Call != nil {
		errs = append(errs,
			text("method", s.Call.Method, MaxMethod),
			size("input", len(s.Call.Input), MaxInput))
		if s.Call.Method == "" {
			errs = append(errs, fmt.Errorf("method: %w: empty", ErrMalformed))
		}
	}
	return errors.Join(errs...)
}

func size(name string, n, limit int) error {
	if n > limit {
		return fmt.Errorf("%s: %w: %d, limit %d", name, ErrTooLarge, n, limit)
	}
	return nil
}

func text(name, s string, limit int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s: %w: not UTF-8", name, ErrMalformed)
	}
	return size(name, len(s), limit)
}

func fixed(name string, got, dst []byte) error {
	if len(got) != len(dst) {
		return fmt.Errorf("%s: %w: %d bytes, want %d", name, ErrMalformed, len(got), len(dst))
	}
	copy(dst, got)
	return nil
}

func encode(name string, wire any) ([]byte, error) {
	b, err := encMode.Marshal(wire)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrPayload, err)
	}
	return b, nil
}

func decode(payload []byte, wire any) error {
	if len(payload) > MaxEnvelope {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(payload), MaxEnvelope)
	}
	return libraryError(decMode.Unmarshal(payload, wire))
}

// canonical compares with the one encoding of what was read.
func canonical(payload []byte, wire any) error {
	again, err := encMode.Marshal(wire)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, payload) {
		return ErrNotCanonical
	}
	return nil
}

// libraryError gives the library's errors our names.
func libraryError(err error) error {
	var (
		extraneous *cbor.ExtraneousDataError
		unknown    *cbor.UnknownFieldError
		indefinite *cbor.IndefiniteLengthError
		elements   *cbor.MaxArrayElementsError
		pairs      *cbor.MaxMapPairsError
	)
	reason := ErrMalformed
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown):
		reason = ErrUpgrade
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		reason = ErrTruncated
	case errors.As(err, &extraneous):
		reason = ErrTrailing
	case errors.As(err, &indefinite):
		reason = ErrNotCanonical
	case errors.As(err, &elements), errors.As(err, &pairs):
		reason = ErrTooLarge
	}
	return fmt.Errorf("%w: %w", reason, err)
}

// payloadError marks what is wrong for good; what waits for an upgrade is not.
func payloadError(name string, err error) error {
	if errors.Is(err, ErrUpgrade) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w: %w", name, ErrPayload, err)
}
