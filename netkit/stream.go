package netkit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

var (
	// ErrFrameTooLarge says that a frame is longer than its protocol allows.
	ErrFrameTooLarge = errors.New("frame too large")
	// ErrReset says that the other side, or this one, broke a stream off.
	ErrReset = errors.New("stream reset")
	// ErrBusy says that the other side has as many streams of the protocol open
	// as it wants to. It may be asked again later.
	ErrBusy = errors.New("peer is busy")
	// ErrProtocol says that the other side does not speak the protocol.
	ErrProtocol = errors.New("peer does not speak the protocol")
)

const (
	headerSize = 4
	// piece is how much of a frame is read or written under one deadline, and how
	// much memory a frame gets before any of it has come.
	piece = 64 << 10
	// maxFrame is the most that Protocol.MaxFrame may be.
	maxFrame = 64 << 20
)

// Protocol is one kind of stream. A frame on it is a length of four bytes, big
// endian, and the content. Zero values stand for the defaults named.
type Protocol struct {
	// ID is the libp2p protocol id, with the version: "/mero/sync/1".
	ID string
	// MaxFrame is the longest content of one frame in bytes. Default 64 KiB, at
	// most 64 MiB.
	MaxFrame int
	// Idle is the longest wait for a frame, and for each further 64 KiB of it, to
	// be read or written. Default 30 s.
	Idle time.Duration
	// MaxIn is how many streams others may have open to this node. Default 256.
	MaxIn int
	// MaxPerPeer is how many of them one peer may have. Default 8.
	MaxPerPeer int
	// GiveWay: when MaxIn are open, the oldest one of those whose peer is not kept (Keep)
	// is reset for a new one. It is for exchanges that are quick and open to strangers,
	// who could else hold all places by saying nothing.
	GiveWay bool
}

func (p Protocol) withDefaults() Protocol {
	if p.MaxFrame <= 0 {
		p.MaxFrame = piece
	}
	p.MaxFrame = min(p.MaxFrame, maxFrame)
	if p.Idle <= 0 {
		p.Idle = 30 * time.Second
	}
	if p.MaxIn <= 0 {
		p.MaxIn = 256
	}
	if p.MaxPerPeer <= 0 {
		p.MaxPerPeer = 8
	}
	return p
}

// Stream is a framed stream to a peer. One goroutine may read while another
// writes; anything may be called while Reset is. The peer is who it says it is:
// libp2p has proved its id.
type Stream struct {
	raw     network.Stream
	peer    string
	proto   Protocol
	r       *bufio.Reader
	w       *bufio.Writer
	life    *signs
	in, out atomic.Uint64
	readErr error // what ended reading; only the reader looks at it
	ended   atomic.Bool
}

func newStream(raw network.Stream, p Protocol, life *signs) *Stream {
	s := &Stream{raw: raw, life: life, peer: raw.Conn().RemotePeer().String(), proto: p}
	s.r = bufio.NewReaderSize(countedReader{s}, 4<<10)
	s.w = bufio.NewWriterSize(pacedWriter{s}, 16<<10)
	return s
}

// Peer is the id of the other side.
func (s *Stream) Peer() string { return s.peer }

// Limited reports whether the stream goes through a relay, which allows little
// and not for long.
func (s *Stream) Limited() bool { return s.raw.Conn().Stat().Limited }

// BytesIn is how many bytes were read from the other side so far.
func (s *Stream) BytesIn() uint64 { return s.in.Load() }

// BytesOut is how many bytes were written to the other side so far; what waits
// in the buffer is not among them.
func (s *Stream) BytesOut() uint64 { return s.out.Load() }

// Read returns the content of the next frame; it belongs to the caller. Memory
// grows as bytes come, so a length that lies costs nothing. Errors: io.EOF when
// the other side has said all, io.ErrUnexpectedEOF when it stopped within a
// frame, ErrFrameTooLarge, os.ErrDeadlineExceeded, ErrReset, ErrBusy,
// ErrProtocol. After an error every Read gives it again; writing still works.
func (s *Stream) Read() ([]byte, error) {
	if s.readErr != nil {
		return nil, s.readErr
	}
	frame, err := s.readFrame()
	s.readErr = err
	return frame, err
}

func (s *Stream) readFrame() ([]byte, error) {
	var header [headerSize]byte
	if err := s.readPiece(header[:]); err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(header[:]))
	if length > int64(s.proto.MaxFrame) {
		return nil, fmt.Errorf("%w: %d bytes, %s allows %d", ErrFrameTooLarge, length, s.proto.ID, s.proto.MaxFrame)
	}
	s.life.within.Add(1)
	defer s.life.within.Add(-1)
	var frame []byte
	for int64(len(frame)) < length {
		have := len(frame)
		more := min(int(length)-have, piece)
		if have+more > cap(frame) { // twice what has come, at most
			frame = slices.Grow(frame, min(int(length), max(piece, 2*have))-have)
		}
		frame = frame[:have+more]
		if err := s.readPiece(frame[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	if frame == nil {
		frame = []byte{}
	}
	return frame, nil
}

func (s *Stream) readPiece(b []byte) error {
	if s.r.Buffered() < len(b) {
		if err := s.raw.SetReadDeadline(time.Now().Add(s.proto.Idle)); err != nil {
			return streamError(err)
		}
	}
	_, err := io.ReadFull(s.r, b)
	return streamError(err)
}

// Write puts a frame into the buffer, and sends what does not fit. Errors:
// ErrFrameTooLarge, after which other frames can be written, and those of Flush.
func (s *Stream) Write(content []byte) error {
	if len(content) > s.proto.MaxFrame {
		return fmt.Errorf("%w: %d bytes, %s allows %d", ErrFrameTooLarge, len(content), s.proto.ID, s.proto.MaxFrame)
	}
	var header [headerSize]byte
	binary.BigEndian.PutUint32(header[:], uint32(len(content)))
	if _, err := s.w.Write(header[:]); err != nil {
		return err
	}
	_, err := s.w.Write(content)
	return err
}

// Flush sends what waits in the buffer. It blocks while the other side does not
// read, os.ErrDeadlineExceeded after the protocol's Idle without progress.
// Errors also: ErrReset, ErrBusy, ErrProtocol.
func (s *Stream) Flush() error { return s.w.Flush() }

// CloseWrite flushes, and tells the other side that this was all.
func (s *Stream) CloseWrite() error {
	return errors.Join(s.Flush(), streamError(s.raw.CloseWrite()))
}

// Close flushes, and closes both directions: what the other side still sends is
// thrown away. It does not wait for the other side.
func (s *Stream) Close() error {
	if s.ended.Swap(true) {
		return nil
	}
	if err := s.Flush(); err != nil {
		return errors.Join(err, streamError(s.raw.Reset()))
	}
	return streamError(s.raw.Close())
}

// Reset breaks the stream off, also what Read or Flush wait for.
func (s *Stream) Reset() { s.reset(network.StreamNoError) }

func (s *Stream) reset(code network.StreamErrorCode) {
	s.ended.Store(true)
	_ = s.raw.ResetWithError(code) // a stream that is gone already is as good
}

type countedReader struct{ s *Stream }

func (r countedReader) Read(b []byte) (int, error) {
	n, err := r.s.raw.Read(b)
	r.s.in.Add(uint64(n))
	if n > 0 {
		r.s.life.heard()
	}
	return n, err
}

// pacedWriter gives each piece a deadline of its own, so that a large frame on a
// slow line is not taken for a peer that does not read.
type pacedWriter struct{ s *Stream }

func (w pacedWriter) Write(b []byte) (done int, err error) {
	for len(b) > 0 {
		if err := w.s.raw.SetWriteDeadline(time.Now().Add(w.s.proto.Idle)); err != nil {
			return done, streamError(err)
		}
		n, err := w.s.life.write(w.s.raw, b[:min(len(b), piece)])
		w.s.out.Add(uint64(n))
		done += n
		if err != nil {
			return done, streamError(err)
		}
		b = b[n:]
	}
	return done, nil
}

// streamError says in the words of this package what libp2p's error means.
func streamError(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	}
	var reset *network.StreamError
	if errors.As(err, &reset) && reset.ErrorCode == network.StreamResourceLimitExceeded {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if errors.Is(err, network.ErrReset) || errors.As(err, &reset) {
		return fmt.Errorf("%w: %w", ErrReset, err)
	}
	var broken *network.ConnError
	if errors.As(err, &broken) {
		return fmt.Errorf("%w: %w", ErrReset, err)
	}
	// The type of this one is in a module of its own; what it says is tested.
	if strings.Contains(err.Error(), "protocols not supported") {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return err
}
