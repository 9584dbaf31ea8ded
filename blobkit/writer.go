package blobkit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// writing is how many full chunks of one put wait for, or are in, hashing
	// and writing. With the chunk being filled this is the memory of a put.
	writing = 5
	// syncing is how many chunk files of one put are open and being synced. The
	// file system commits them together: one at a time costs half of the speed.
	syncing = 32
	// sniffLen is what http.DetectContentType looks at.
	sniffLen = 512
)

// PutOptions is what the caller knows of the content beforehand. The zero value
// is "nothing". Content that differs is refused and leaves nothing behind.
type PutOptions struct {
	// MaxSize in bytes ends the put with ErrTooLarge; zero leaves it to
	// blobs.max_size, which always holds.
	MaxSize int64
	// Size is the exact length in bytes.
	Size *int64
	// Hash is the SHA-256 of the content.
	Hash *[32]byte
	// ID is the blob id that the content must have.
	ID *ID
}

// Put stores what r yields until its end. The blob is durable and visible when
// Put returns, and absent if it returns an error. Content that is already there
// is not written again; its Info is the one of the first put.
//
// ctx is looked at between chunks; a reader that blocks must end by itself.
func (s *Store) Put(ctx context.Context, r io.Reader, opts PutOptions) (Info, error) {
	w, err := s.Create(opts)
	if err != nil {
		return Info{}, err
	}
	for {
		if err := ctx.Err(); err != nil {
			w.Abort()
			return Info{}, err
		}
		switch err := w.fill(r); {
		case errors.Is(err, io.EOF):
			return w.Commit(ctx)
		case err != nil:
			w.Abort()
			return Info{}, err
		}
	}
}

// Writer takes a blob's content piece by piece. It ends with Commit or Abort;
// one of them must be called. Nothing of the blob is visible before Commit.
type Writer struct {
	s    *Store
	opts PutOptions
	max  int64
	tmp  string // directory of this put; made with the first chunk

	buf     *[ChunkSize]byte // the chunk being filled; nil before the first byte
	n       int              // bytes in it
	size    int64            // bytes taken in all
	content hash.Hash
	head    []byte // the first bytes, to sniff the type
	count   int    // chunks handed to workers
	over    bool   // committed or aborted

	slots   chan struct{} // one for each buffer that workers hold
	workers errgroup.Group

	mu     sync.Mutex
	chunks []chunkID
	held   map[chunkID]bool // chunks this put counts as a user of: written by it?
	err    error            // the first failure of a worker
}

// Create begins a blob. Use Put when the content is an io.Reader.
func (s *Store) Create(opts PutOptions) (*Writer, error) {
	done, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer done()
	w := &Writer{
		s: s, opts: opts, max: int64(s.cfg.MaxSize),
		content: sha256.New(),
		slots:   make(chan struct{}, writing),
		held:    make(map[chunkID]bool),
	}
	w.workers.SetLimit(syncing)
	if opts.MaxSize > 0 {
		w.max = min(w.max, opts.MaxSize)
	}
	if opts.Size != nil && *opts.Size > w.max {
		return nil, fmt.Errorf("%w: %d bytes announced, at most %d allowed", ErrTooLarge, *opts.Size, w.max)
	}
	return w, nil
}

// Write implements io.Writer. It fails with ErrTooLarge as soon as a limit is
// passed and with ErrDiskFull as soon as that is known; after an error only
// Abort is of use.
func (w *Writer) Write(p []byte) (int, error) {
	var total int
	r := bytes.NewReader(p)
	for r.Len() > 0 {
		before := w.size
		err := w.fill(r)
		total += int(w.size - before)
		if err != nil && !errors.Is(err, io.EOF) {
			return total, err
		}
	}
	return total, nil
}

// fill reads until the current chunk is full and hands it on. It returns io.EOF
// when r has ended, whether or not the chunk is full.
func (w *Writer) fill(r io.Reader) error {
	if err := w.failure(); err != nil {
		return err
	}
	if w.buf == nil {
		w.buf = w.s.buffer()
	}
	n, err := io.ReadFull(r, w.buf[w.n:])
	w.take(w.buf[w.n : w.n+n])
	if w.size > w.max {
		return w.fail(fmt.Errorf("%w: more than %d bytes", ErrTooLarge, w.max))
	}
	if w.opts.Size != nil && w.size > *w.opts.Size {
		return w.fail(fmt.Errorf("%w: more than the %d bytes announced", ErrMismatch, *w.opts.Size))
	}
	switch {
	case err == nil:
		return w.flush()
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return io.EOF
	default:
		return fmt.Errorf("read content: %w", err)
	}
}

// take accounts for bytes just read into the buffer. The hash of the content is
// computed here, in the caller's goroutine, while workers hash earlier chunks.
func (w *Writer) take(p []byte) {
	w.n += len(p)
	w.size += int64(len(p))
	w.content.Write(p)
	if missing := sniffLen - len(w.head); missing > 0 {
		w.head = append(w.head, p[:min(missing, len(p))]...)
	}
}

// flush hands the current chunk to a worker, waiting when too many are busy.
func (w *Writer) flush() error {
	if w.tmp == "" {
		tmp, err := os.MkdirTemp(filepath.Join(w.s.dir, dirTmp), "")
		if err != nil {
			return w.fail(err)
		}
		w.tmp = tmp
	}
	w.slots <- struct{}{}
	buf, n, i := w.buf, w.n, w.count
	w.buf, w.n = nil, 0
	w.count++
	w.mu.Lock()
	w.chunks = append(w.chunks, chunkID{})
	w.mu.Unlock()
	w.workers.Go(func() error {
		f, err := w.writeChunk(i, buf[:n])
		w.s.recycle(buf)
		<-w.slots // the buffer is free; syncing needs none
		if f != nil {
			err = errors.Join(err, f.Sync(), f.Close())
		}
		if err != nil {
			return w.fail(err)
		}
		return nil
	})
	return nil
}

// writeChunk names chunk i and writes it to a temporary file, unless the store
// or this put has it. The caller syncs and closes the file.
func (w *Writer) writeChunk(i int, b []byte) (*os.File, error) {
	id := chunkID(sha256.Sum256(b))
	w.mu.Lock()
	w.chunks[i] = id
	_, twice := w.held[id]
	if !twice {
		w.held[id] = false
	}
	w.mu.Unlock()
	if twice || w.s.chunks.hold(id) && w.s.chunkIs(id, b) {
		return nil, nil
	}
	if err := w.s.disk.take(uint64(len(b))); err != nil {
		return nil, err
	}
	defer w.s.disk.wrote(uint64(len(b)))
	w.mu.Lock()
	w.held[id] = true
	w.mu.Unlock()
	f, err := os.OpenFile(w.tmpPath(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(b); err != nil {
		return f, err
	}
	w.s.metrics.written.Add(float64(len(b)))
	startWriteback(f)
	return f, nil
}

// Commit makes the blob visible and durable, or leaves nothing of it. Once the
// last check of ctx is passed it runs to its end.
func (w *Writer) Commit(ctx context.Context) (Info, error) {
	info, err := w.commit(ctx)
	if err != nil {
		w.Abort()
		return Info{}, err
	}
	return info, nil
}

func (w *Writer) commit(ctx context.Context) (Info, error) {
	if w.over {
		return Info{}, ErrClosed
	}
	if w.n > 0 {
		if err := w.flush(); err != nil {
			return Info{}, err
		}
	}
	_ = w.workers.Wait() // the same error, mapped, is in failure
	if err := w.failure(); err != nil {
		return Info{}, err
	}
	m := &manifest{
		Info: Info{
			ID: blobID(w.chunks), Size: w.size,
			MIME: http.DetectContentType(w.head), Created: time.Now().UTC(),
		},
		chunks: w.chunks,
	}
	w.content.Sum(m.Hash[:0])
	if err := w.check(m.Info); err != nil {
		return Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	done, err := w.s.begin()
	if err != nil {
		return Info{}, err
	}
	defer done()
	if err := w.placeChunks(); err != nil {
		return Info{}, w.fail(err)
	}
	info, err := w.placeManifest(m)
	if err != nil {
		return Info{}, w.fail(err)
	}
	return info, nil
}

// check compares the content with what was announced.
func (w *Writer) check(info Info) error {
	if want := w.opts.Size; want != nil && info.Size != *want {
		return fmt.Errorf("%w: %d bytes, not %d", ErrMismatch, info.Size, *want)
	}
	if want := w.opts.Hash; want != nil && info.Hash != *want {
		return fmt.Errorf("%w: its SHA-256 is %x, not %x", ErrMismatch, info.Hash, *want)
	}
	if want := w.opts.ID; want != nil && info.ID != *want {
		return fmt.Errorf("%w: its id is %s, not %s", ErrMismatch, info.ID, *want)
	}
	return nil
}

// placeChunks moves the synced chunk files to their places and syncs those
// directories, many at a time: the file system commits them together.
func (w *Writer) placeChunks() error {
	dirs := make(map[string]struct{})
	for id, written := range w.held {
		if !written {
			continue
		}
		to := w.s.chunkPath(id)
		if err := renameInto(w.tmpPath(id), to); err != nil {
			return err
		}
		dirs[filepath.Dir(to)] = struct{}{}
	}
	var group errgroup.Group
	group.SetLimit(syncing)
	for dir := range dirs {
		group.Go(func() error { return syncDir(dir) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for id, written := range w.held {
		if written {
			w.s.chunks.setDurable(id)
		}
	}
	return nil
}

// placeManifest makes the blob visible. From here on the manifest counts the
// chunks that this put has counted; if the blob is there already, its manifest
// does, and this put's count ends.
func (w *Writer) placeManifest(m *manifest) (Info, error) {
	lock := &w.s.names[m.ID[0]]
	lock.Lock()
	defer lock.Unlock()
	if had, err := w.s.readManifest(m.ID); err == nil {
		w.finish(resultPresent, true)
		return had.Info, nil
	} else if errors.Is(err, ErrNewer) {
		return Info{}, err
	}
	b := m.encode()
	if err := w.s.disk.take(uint64(len(b))); err != nil {
		return Info{}, err
	}
	defer w.s.disk.wrote(uint64(len(b)))
	if w.tmp == "" { // an empty blob has no chunk
		tmp, err := os.MkdirTemp(filepath.Join(w.s.dir, dirTmp), "")
		if err != nil {
			return Info{}, err
		}
		w.tmp = tmp
	}
	from, to := filepath.Join(w.tmp, "manifest"), w.s.manifestPath(m.ID)
	if err := writeFile(from, b); err != nil {
		return Info{}, err
	}
	if err := renameInto(from, to); err != nil {
		return Info{}, err
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		// Visible, but perhaps not for ever: take it back, or a caller who was
		// told of a failure finds the blob.
		return Info{}, errors.Join(err, os.Remove(to))
	}
	w.s.remember(m.Info)
	w.finish(resultStored, false)
	return m.Info, nil
}

// Abort drops the blob. It does nothing after Commit, so it can be deferred.
func (w *Writer) Abort() {
	if w.over {
		return
	}
	_ = w.workers.Wait()
	w.finish(resultFailed, true)
}

// finish ends the writer: its temporary files go, and its count of the chunks
// unless a manifest took it over.
func (w *Writer) finish(result string, release bool) {
	w.over = true
	w.s.metrics.puts.WithLabelValues(result).Inc()
	if w.buf != nil {
		w.s.recycle(w.buf)
		w.buf = nil
	}
	if release {
		for id := range w.held {
			w.s.chunks.release(id)
		}
	}
	if w.tmp == "" {
		return
	}
	if err := os.RemoveAll(w.tmp); err != nil {
		w.s.log.Warn().Err(err).Msg("temporary files are left until the next start")
	}
}

func (w *Writer) tmpPath(id chunkID) string { return filepath.Join(w.tmp, hex.EncodeToString(id[:])) }

// fail notes the first error of the put.
func (w *Writer) fail(err error) error {
	err = diskError(err)
	if errors.Is(err, ErrDiskFull) {
		w.s.metrics.diskFull.Inc()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = fmt.Errorf("store blob: %w", err)
	}
	return w.err
}

func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over && w.err == nil {
		return ErrClosed
	}
	return w.err
}
