package blobkit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Reader reads one blob, checking every chunk before it hands out a byte of it.
// It is an io.ReadSeekCloser and an io.WriterTo. It keeps the chunks from being
// removed: Close it.
type Reader struct {
	s      *Store
	info   Info
	chunks []chunkID

	off    int64            // where the next byte comes from
	buf    *[ChunkSize]byte // nil, or holds chunk at
	at     int64
	closed bool
}

// Get opens a blob: ErrNotFound, or *DamagedError when its manifest can not be
// read. Damage of a chunk is found when the reader gets there.
func (s *Store) Get(ctx context.Context, id ID) (*Reader, Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, Info{}, err
	}
	done, err := s.begin()
	if err != nil {
		return nil, Info{}, err
	}
	defer done()
	// A delete takes the lock to unlink the manifest and ends its count of the
	// chunks afterwards: so either we find no manifest, or we count first.
	lock := &s.names[id[0]]
	lock.RLock()
	defer lock.RUnlock()
	m, err := s.readManifest(id)
	if err != nil {
		return nil, Info{}, err
	}
	for chunk := range distinct(m.chunks) {
		s.chunks.hold(chunk)
	}
	return &Reader{s: s, info: m.Info, chunks: m.chunks, at: -1}, m.Info, nil
}

// Bytes reads a whole blob of at most limit bytes, else ErrTooLarge.
func (s *Store) Bytes(ctx context.Context, id ID, limit int64) ([]byte, error) {
	r, info, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // read only
	if info.Size > limit {
		return nil, fmt.Errorf("%w: blob %s has %d bytes, at most %d are wanted", ErrTooLarge, id, info.Size, limit)
	}
	b := make([]byte, info.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return b, nil
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	b, err := r.rest()
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	r.off += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo: whole chunks without a copy between.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	if r.closed {
		return 0, ErrClosed
	}
	var total int64
	for {
		b, err := r.rest()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(b)
		r.off += int64(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Seek implements io.Seeker. Beyond the end a read yields io.EOF.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	if r.closed {
		return 0, ErrClosed
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.info.Size
	default:
		return 0, fmt.Errorf("seek in blob: unknown whence %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek in blob: before its start")
	}
	r.off = offset
	return offset, nil
}

// Close lets the chunks go.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.buf != nil {
		r.s.recycle(r.buf)
		r.buf = nil
	}
	for chunk := range distinct(r.chunks) {
		r.s.chunks.release(chunk)
	}
	return nil
}

// rest is the verified bytes from off to the end of its chunk, or io.EOF.
func (r *Reader) rest() ([]byte, error) {
	if r.off >= r.info.Size {
		return nil, io.EOF
	}
	i := r.off / ChunkSize
	n := chunkLen(r.info.Size, i)
	if r.at != i {
		if r.buf == nil {
			r.buf = r.s.buffer()
		}
		r.at = -1 // whatever is in the buffer if this fails is not a chunk
		if err := r.s.readChunk(r.info.ID, r.chunks[i], r.buf[:n]); err != nil {
			return nil, err
		}
		r.at = i
	}
	return r.buf[r.off-i*ChunkSize : n], nil
}

// readChunk fills b with a chunk of exactly that length and verifies it.
func (s *Store) readChunk(blob ID, id chunkID, b []byte) error {
	path := s.chunkPath(id)
	n, err := readFull(path, b)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.damage(blob, path, "the file is missing", hintChunk)
	case err != nil:
		return fmt.Errorf("read blob %s: %w", blob, err)
	case n != int64(len(b)):
		return s.damage(blob, path, fmt.Sprintf("it has %d bytes instead of %d", n, len(b)), hintChunk)
	case chunkID(sha256.Sum256(b)) != id:
		return s.damage(blob, path, "its bytes do not match its name", hintChunk)
	}
	s.metrics.read.Add(float64(len(b)))
	return nil
}

// chunkIs reports whether the chunk's file holds exactly b. A put asks before it
// relies on a file that is there: that is what repairs a damaged one.
func (s *Store) chunkIs(id chunkID, b []byte) bool {
	buf := s.buffer()
	defer s.recycle(buf)
	n, err := readFull(s.chunkPath(id), buf[:len(b)])
	return err == nil && n == int64(len(b)) && bytes.Equal(buf[:len(b)], b)
}

// readFull fills b from the start of a file and returns the file's length.
func readFull(path string, b []byte) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	if err != nil || st.Size() != int64(len(b)) {
		return sizeOf(st), err
	}
	_, err = io.ReadFull(f, b)
	return st.Size(), err
}

func sizeOf(st fs.FileInfo) int64 {
	if st == nil {
		return 0
	}
	return st.Size()
}
