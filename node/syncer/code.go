package syncer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"mero/blobkit"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/wire"
)

// fetchCode gets the applications that a context's deltas wait for from members, and
// installs them, so that the replica folds what waited. It reports whether nothing is
// wanted any more.
func (s *Syncer) fetchCode(ctx context.Context, c *shared) bool {
	wants, err := s.deps.Contexts.Wants(ctx, c.id)
	if err != nil {
		s.log.Debug().Err(err).Stringer("context", c.id).Msg("what a context wants can not be told")
		return false
	}
	s.fetching(c, wants.Apps)
	done := true
	for _, app := range wants.Apps {
		if err := s.fetchApp(ctx, c, app); err != nil {
			s.log.Info().Err(err).Stringer("context", c.id).Stringer("app", app.App).Msg("an application was not fetched; it is tried again")
			done = false
			continue
		}
		s.log.Info().Stringer("context", c.id).Stringer("app", app.App).Str("package", app.Package).Msg("application fetched and installed")
	}
	if len(wants.Epochs) > 0 {
		s.mu.Lock()
		c.keys.Want(time.Now())
		s.mu.Unlock()
		s.poke()
	}
	if done {
		s.equipped(c)
	}
	if len(wants.Apps) == 0 {
		return true
	}
	if err := s.deps.Contexts.Reconsider(ctx, c.id); err != nil && ctx.Err() == nil {
		s.log.Warn().Err(err).Stringer("context", c.id).Msg("deltas that waited for code were not folded yet")
		done = false
	}
	s.headsMoved(c.id, "")
	s.know(c.id)
	s.mu.Lock()
	if done {
		c.wanted = nil
		c.code.Want(time.Now()) // what was folded now may want more
	}
	s.tell()
	s.mu.Unlock()
	return done
}

// equipped begins the sessions that were put off until the application was here.
func (s *Syncer) equipped(c *shared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.lacking {
		return
	}
	c.lacking = false
	for _, l := range c.links {
		if !l.session.Due.IsZero() {
			l.session.Want(time.Now())
		}
	}
	s.poke()
}

// fetching notes for operators what a context wants.
func (s *Syncer) fetching(c *shared, list []delta.App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.wanted = nil
	for _, app := range list {
		c.wanted = append(c.wanted, fmt.Sprintf("application %s %s", app.App, app.Package))
	}
}

// fetchApp installs one application from the first peer that has its code.
func (s *Syncer) fetchApp(ctx context.Context, c *shared, app delta.App) error {
	failed := ErrNoPeer
	s.mu.Lock()
	begun := c.partial
	c.partial = partial{}
	s.mu.Unlock()
	if begun.blob != app.Code {
		begun = partial{blob: app.Code}
	}
	for _, peer := range s.sources(c.id) {
		code, err := s.fetchBlob(ctx, peer, c.id, app.Code, begun.content)
		if err != nil && code == nil && len(begun.content) > 0 { // the beginning may be somebody else's fault
			code, err = s.fetchBlob(ctx, peer, c.id, app.Code, nil)
		}
		s.metrics.exchanges.WithLabelValues(withBlob, outcomeOf(err)).Inc()
		if err != nil {
			failed = fmt.Errorf("from %s, %d bytes so far: %w", peer, len(code), err)
			begun.content = code
			continue
		}
		got, err := s.deps.Apps.Install(ctx, bytes.NewReader(code), apps.Source{Package: app.Package, Version: app.Version})
		if err != nil {
			return err
		}
		if got.ID != app.App {
			return fmt.Errorf("the code of application %s makes application %s: its context names the wrong one", app.App, got.ID)
		}
		return nil
	}
	s.mu.Lock()
	c.partial = begun
	s.mu.Unlock()
	return failed
}

// partial is what came of a blob before the fetch broke off: at most apps.MaxSize.
type partial struct {
	blob    [32]byte
	content []byte
}

// bestPeers are the connected members' nodes of a context, the best first.
func (s *Syncer) bestPeers(id ident.ContextID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.contexts[id]
	if c == nil {
		return nil
	}
	var out []string
	for _, l := range s.best(c) {
		out = append(out, l.peer.id)
	}
	return out
}

// sources are bestPeers, and then those whose member is not known here yet: what is
// verified by its name may come from them, and may be what they are unknown for.
func (s *Syncer) sources(id ident.ContextID) []string {
	out := s.bestPeers(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.contexts[id]; c != nil {
		wall := s.deps.Wall()
		for _, l := range c.sorted() {
			if l.unknown && l.mayPull(wall) {
				out = append(out, l.peer.id)
			}
		}
	}
	return out
}

// minRate is how many bytes a second a fetch brings at least, else it is broken off, and
// others are asked for the rest.
const minRate = 16 << 10

// fetchBlob gets the code of an application of a context. What comes is verified as a
// whole before anything is done with it; it is small enough for memory (apps.MaxSize).
//
// A fetch that breaks off goes on where it was, perhaps from another peer: had is what
// came before. It does not fit if nothing is given back.
func (s *Syncer) fetchBlob(ctx context.Context, peer string, id ident.ContextID, blob [32]byte, had []byte) (content []byte, err error) {
	content = had
	t, done, err := s.open(ctx, peer, s.protocols.blob)
	if err != nil {
		return content, err
	}
	defer done()
	defer func() { err = t.close(err) }()
	if err := t.write(&wire.Want{Version: wire.Version, Context: id, Blob: blob, Offset: uint64(len(content))}); err != nil {
		return content, err
	}
	size, err := expect[*wire.Size](t)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused) && refused.Code == wire.CodeInvalid:
		return nil, err
	case err != nil:
		return content, err
	case size.Bytes > apps.MaxSize:
		return nil, fmt.Errorf("%w: code of %d bytes", wire.ErrTooLarge, size.Bytes)
	case size.Bytes < uint64(len(content)):
		return nil, fmt.Errorf("%w: %d bytes of %d", errMismatch, len(content), size.Bytes)
	}
	slow := time.AfterFunc(s.cfg.Timeout+time.Duration(size.Bytes/minRate)*time.Second, t.stream.Reset)
	defer slow.Stop()
	for uint64(len(content)) < size.Bytes {
		piece, err := expect[*wire.Piece](t)
		if err != nil {
			return content, err
		}
		if uint64(len(content)+len(piece.Data)) > size.Bytes {
			return nil, fmt.Errorf("%w: more than the %d bytes that were announced", errOrder, size.Bytes)
		}
		content = append(content, piece.Data...)
		if len(piece.Data) < wire.MaxPiece && uint64(len(content)) < size.Bytes {
			return content, fmt.Errorf("%w: a piece of %d bytes within a blob", errOrder, len(piece.Data))
		}
	}
	if blobID(content) != blob {
		if len(had) == 0 { // else the beginning may be somebody else's fault
			s.deps.Net.Penalize(peer, penaltyMalformed, "blob")
		}
		return nil, errMismatch
	}
	return content, nil
}

// blobID is the name of content (R22).
func blobID(content []byte) [32]byte {
	h := sha256.New()
	for len(content) > 0 {
		n := min(len(content), blobkit.ChunkSize)
		chunk := sha256.Sum256(content[:n])
		h.Write(chunk[:])
		content = content[n:]
	}
	return [32]byte(h.Sum(nil))
}

var errMismatch = errors.New("the content is not what its id says")

var errNoCode = errors.New("that blob is not here, or is not the code of an application of that context")

// serveBlob gives the code of an application to a member's node, and nothing else.
func (s *Syncer) serveBlob(ctx context.Context, t *talk) error {
	if !s.sharesAny(t.peer) {
		return refusal(wire.CodeUnbound, errUnbound)
	}
	want, err := expect[*wire.Want](t)
	if err != nil {
		return err
	}
	if err := s.mayServe(want.Context, t.peer); err != nil {
		return err
	}
	leave, err := s.takePlace(want.Context, t.peer, s.protocols.blob)
	if err != nil {
		return err
	}
	defer leave()
	runs, err := s.deps.Contexts.RunsCode(ctx, want.Context, want.Blob)
	if err != nil {
		return err
	}
	if !runs {
		return refusal(wire.CodeNotHere, errNoCode)
	}
	r, info, err := s.deps.Blobs.Get(ctx, blobkit.ID(want.Blob))
	if err != nil {
		return blobRefusal(err)
	}
	defer func() { _ = r.Close() }() // it was only read
	if want.Offset > uint64(info.Size) {
		// It goes on from what somebody else gave it.
		return refusal(wire.CodeInvalid, fmt.Errorf("offset %d of %d bytes", want.Offset, info.Size))
	}
	if _, err := r.Seek(int64(want.Offset), io.SeekStart); err != nil {
		return err
	}
	if err := t.write(&wire.Size{Bytes: uint64(info.Size)}); err != nil {
		return err
	}
	return t.pieces(r)
}

// blobRefusal says why a blob can not be had.
func blobRefusal(err error) error {
	var damaged *blobkit.DamagedError
	switch {
	case errors.Is(err, blobkit.ErrNotFound):
		return refusal(wire.CodeNotHere, errNoCode)
	case errors.As(err, &damaged):
		return refusal(wire.CodeDamaged, errors.New("that blob is damaged here"))
	}
	return err
}

// pieces sends the rest of a blob.
func (t *talk) pieces(r io.Reader) error {
	piece := make([]byte, wire.MaxPiece)
	for {
		n, err := io.ReadFull(r, piece)
		if n > 0 {
			if err := t.write(&wire.Piece{Data: piece[:n]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return blobRefusal(err)
		}
	}
}
