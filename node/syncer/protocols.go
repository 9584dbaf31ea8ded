package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"mero/netkit"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/wire"
)

// protocols are the streams that nodes talk over. What one peer may have open is
// small, since an honest one needs one or two; what all may have open bounds memory.
type protocols struct {
	hello, join, sync, heartbeat, blob, keys netkit.Protocol
}

func newProtocols(cfg Config) protocols {
	p := func(name string, frame, all, each int) netkit.Protocol {
		return netkit.Protocol{
			ID: fmt.Sprintf("/mero/%s/%d", name, wire.Version), MaxFrame: frame, Idle: cfg.Timeout, MaxIn: all, MaxPerPeer: each,
		}
	}
	// Strangers may speak these; they are quick. What members' nodes hold, may take long.
	open := func(p netkit.Protocol) netkit.Protocol {
		p.GiveWay = true
		return p
	}
	return protocols{
		hello:     open(p("hello", wire.MaxHelloFrame, 64, 4)),
		join:      open(p("join", wire.MaxJoinFrame, 32, 2)),
		sync:      p("sync", wire.MaxSyncFrame, 16, 4),
		heartbeat: p("heartbeat", wire.MaxHeartbeatFrame, 64, 2),
		blob:      p("blob", wire.MaxBlobFrame, 16, 2),
		keys:      p("keys", wire.MaxKeysFrame, 16, 2),
	}
}

// handle answers streams from now on, until close.
func (s *Syncer) handle() {
	serve := func(p netkit.Protocol, f func(context.Context, *talk) error) {
		s.deps.Net.Handle(p, func(ctx context.Context, stream *netkit.Stream) {
			if !s.enter() {
				return
			}
			defer s.leave()
			t := &talk{s: s, stream: stream, peer: stream.Peer()}
			t.finish(f(ctx, t))
		})
	}
	serve(s.protocols.hello, s.serveHello)
	serve(s.protocols.join, s.serveJoin)
	serve(s.protocols.sync, s.serveSession)
	serve(s.protocols.heartbeat, s.serveHeartbeat)
	serve(s.protocols.blob, s.serveBlob)
	serve(s.protocols.keys, s.serveKeys)
}

// RefusedError is what the other node said instead of an answer.
type RefusedError struct {
	Code  wire.Code
	Words string
	// Addrs are who might do better.
	Addrs []string
}

// Error is in the other node's words.
func (e *RefusedError) Error() string {
	if e.Words == "" {
		return fmt.Sprintf("the other node refused (%d)", e.Code)
	}
	return "the other node refused: " + e.Words
}

// refuse is an error whose reason is told to the other side.
type refuse struct {
	code  wire.Code
	err   error
	addrs []string
}

func (r *refuse) Error() string { return r.err.Error() }

func (r *refuse) Unwrap() error { return r.err }

func refusal(code wire.Code, err error) error { return &refuse{code: code, err: err} }

var (
	errUnbound = errors.New("this peer has shown no binding to that context, or there is no such context here")
	errOrder   = errors.New("this message does not come here")
)

// talk is one end of a stream: messages instead of bytes.
type talk struct {
	s      *Syncer
	stream *netkit.Stream
	peer   string
	closed bool
}

// read reads the next message. A refusal is a *RefusedError.
func (t *talk) read() (wire.Message, error) {
	frame, err := t.stream.Read()
	if err != nil {
		return nil, err
	}
	m, err := wire.Decode(frame)
	if err != nil {
		return nil, err
	}
	if r, ok := m.(*wire.Refusal); ok {
		if r.Code == wire.CodeUnbound {
			t.s.greetAgain(t.peer)
		}
		return nil, &RefusedError{Code: r.Code, Words: printable(r.Words), Addrs: r.Addrs}
	}
	return m, nil
}

// expect reads the next message, which has to be of one type.
func expect[M wire.Message](t *talk) (M, error) {
	var none M
	m, err := t.read()
	if err != nil {
		return none, err
	}
	got, ok := m.(M)
	if !ok {
		return none, fmt.Errorf("%w: kind %d, want %d", errOrder, m.Kind(), none.Kind())
	}
	return got, nil
}

// write sends a message. Nothing waits behind it.
func (t *talk) write(m wire.Message) error {
	frame, err := wire.Encode(m)
	if err != nil {
		return err
	}
	if err := t.stream.Write(frame); err != nil {
		return err
	}
	return t.stream.Flush()
}

// finish ends a stream that a peer opened: in order, or with a refusal that says why,
// and with a penalty if it was the peer's fault.
func (t *talk) finish(err error) {
	if err == nil {
		_ = t.stream.Close() // it may be gone, which is as good
		return
	}
	code, known := t.s.blame(t.peer, err)
	if !known {
		t.s.log.Debug().Err(err).Str("peer", t.peer).Msg("a stream failed")
	}
	if code == 0 {
		t.stream.Reset()
		return
	}
	t.s.metrics.refused.WithLabelValues(reasonOf(code)).Inc()
	var r *refuse
	words := &wire.Refusal{Code: code, Words: clip(err.Error())}
	if errors.As(err, &r) {
		words.Addrs = r.addrs
	}
	if t.write(words) != nil {
		t.stream.Reset()
		return
	}
	_ = t.stream.Close()
}

// Penalties of peers: netkit lets go of one with too many (R24).
const (
	penaltyMalformed = 10 // a frame that no honest node sends
	penaltyUnbound   = 1  // may be a race of two honest nodes
)

// blame finds whose fault an error is: the code that the peer is told, 0 if nothing can
// be told any more. Frames that no honest node sends cost it.
func (s *Syncer) blame(peer string, err error) (code wire.Code, known bool) {
	var (
		r       *refuse
		refused *RefusedError
		version *wire.VersionError
	)
	switch {
	case errors.As(err, &r):
		if r.code == wire.CodeUnbound {
			s.deps.Net.Penalize(peer, penaltyUnbound, "unbound")
		}
		return r.code, true
	case errors.As(err, &refused), errors.Is(err, io.EOF), errors.Is(err, netkit.ErrReset), errors.Is(err, netkit.ErrBusy):
		return 0, true
	case errors.As(err, &version):
		return wire.CodeVersion, true
	case errors.Is(err, netkit.ErrFrameTooLarge), errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrNotCanonical),
		errors.Is(err, wire.ErrTooLarge), errors.Is(err, wire.ErrUnknownKind), errors.Is(err, errOrder), errors.Is(err, io.ErrUnexpectedEOF):
		s.deps.Net.Penalize(peer, penaltyMalformed, "malformed")
		return wire.CodeMalformed, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, true
	case errors.Is(err, replica.ErrContextNotFound):
		return wire.CodeUnbound, true
	case errors.Is(err, replica.ErrBusy):
		return wire.CodeBusy, true
	}
	return wire.CodeFailed, false
}

// reasonOf is a code as the value of a label.
func reasonOf(code wire.Code) string {
	switch code {
	case wire.CodeVersion:
		return "version"
	case wire.CodeMalformed:
		return "malformed"
	case wire.CodeUnbound:
		return "unbound"
	case wire.CodeBusy:
		return "busy"
	case wire.CodeNotHere:
		return "absent"
	case wire.CodeExpired, wire.CodeUsedUp, wire.CodeRevoked, wire.CodeNotForYou, wire.CodeAskIssuer, wire.CodeNotAllowed, wire.CodeInvalid:
		return "invitation"
	case wire.CodeFailed, wire.CodeDamaged:
		return "failed"
	}
	return "failed"
}

// outcomeOf is an error of an exchange as the value of a label.
func outcomeOf(err error) string {
	var refused *RefusedError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refused):
		return "refused"
	}
	return "failed"
}

// open opens a stream of a protocol to a peer; done resets it unless it was closed.
func (s *Syncer) open(ctx context.Context, peer string, p netkit.Protocol) (t *talk, done func(), err error) {
	stream, err := s.deps.Net.Open(ctx, peer, p)
	if err != nil {
		return nil, nil, err
	}
	broken := context.AfterFunc(ctx, stream.Reset)
	t = &talk{s: s, stream: stream, peer: peer}
	return t, func() {
		broken()
		if !t.closed { // after Close, a reset might overtake what was sent
			stream.Reset()
		}
	}, nil
}

// close ends a stream that this node opened, after the last answer was read: so how that
// goes does not matter. An error of the other's making costs it.
func (t *talk) close(err error) error {
	if err != nil {
		var version *wire.VersionError
		code, _ := t.s.blame(t.peer, err)
		if code == wire.CodeMalformed || errors.As(err, &version) {
			_ = t.write(&wire.Refusal{Code: code, Words: clip(err.Error())}) // a courtesy
			t.closed = t.stream.Close() == nil
		}
		return err
	}
	t.closed = true
	_ = t.stream.Close()
	return nil
}

// invitationCodes are the reasons of refused joins on the wire, and what they mean.
func invitationCodes() map[wire.Code]error {
	return map[wire.Code]error{
		wire.CodeExpired: members.ErrExpired, wire.CodeUsedUp: members.ErrUsedUp, wire.CodeRevoked: members.ErrRevoked,
		wire.CodeNotForYou: members.ErrNotForYou, wire.CodeAskIssuer: members.ErrAskIssuer, wire.CodeNotAllowed: members.ErrNotAllowed,
	}
}

// clip shortens words to what a refusal holds.
func clip(words string) string { return printable(words[:min(len(words), wire.MaxWords)]) }
