package blobkit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"mero/node/disk"
)

const (
	dirChunks = "chunks"
	dirBlobs  = "blobs"
	dirTmp    = "tmp"
	// scanners is how many directories Open reads at a time.
	scanners = 8
)

// Deps is what a store needs from its owner.
type Deps struct {
	Log     zerolog.Logger
	Metrics prometheus.Registerer
	// FreeBytes measures the free space of the disk that dir is on; nil asks
	// the operating system.
	FreeBytes func(dir string) (uint64, error)
}

// Store is a directory of blobs. See the package comment for what it promises.
type Store struct {
	dir     string
	cfg     Config
	log     zerolog.Logger
	metrics *metrics
	disk    *diskGuard
	chunks  *chunkTable
	buffers sync.Pool // of *[ChunkSize]byte

	// steps holds off Close while a blob becomes visible or goes.
	steps  sync.RWMutex
	closed bool

	// names serialises what happens to one blob's manifest (by the first byte
	// of its id). Taken before mu and before a chunk shard.
	names [256]sync.RWMutex

	mu      sync.RWMutex
	index   map[ID]Info  // every readable manifest
	damaged map[ID]error // every unreadable one: *DamagedError or ErrNewer
}

// Open opens the store in dir, creating it when it is not there. It reads every
// manifest and removes what a crash left over: temporary files, and chunks that
// no manifest names (unless a manifest can not be read: those may be its own).
func Open(dir string, deps Deps, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for _, sub := range []string{dirChunks, dirBlobs, dirTmp} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("open blob store: %w", diskError(err))
		}
	}
	free := deps.FreeBytes
	if free == nil {
		free = disk.Free
	}
	s := &Store{
		dir: dir, cfg: cfg, log: deps.Log, metrics: newMetrics(deps.Metrics),
		disk:    &diskGuard{dir: dir, reserve: cfg.Reserve, free: free},
		buffers: sync.Pool{New: func() any { return new([ChunkSize]byte) }},
		index:   make(map[ID]Info),
		damaged: make(map[ID]error),
	}
	s.chunks = newChunkTable(s.unlinkChunk)
	if err := s.scan(); err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	return s, nil
}

// Close waits until blobs that are being made visible or removed are done, and
// refuses everything afterwards with ErrClosed. Open readers can still be read.
func (s *Store) Close() error {
	s.steps.Lock()
	defer s.steps.Unlock()
	s.closed = true
	return nil
}

// Stat describes a blob: ErrNotFound, or *DamagedError or ErrNewer when its
// manifest can not be read. It does not look at the disk.
func (s *Store) Stat(id ID) (Info, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if info, ok := s.index[id]; ok {
		return info, nil
	}
	if err, ok := s.damaged[id]; ok {
		return Info{}, err
	}
	return Info{}, fmt.Errorf("%w: %s", ErrNotFound, id)
}

// List yields every blob that was there when it was called, ascending by id, and
// after them an error (as Stat's) for every manifest that can not be read.
func (s *Store) List() iter.Seq2[Info, error] {
	s.mu.RLock()
	infos := slices.Collect(maps.Values(s.index))
	unreadable := slices.Collect(maps.Values(s.damaged))
	s.mu.RUnlock()
	slices.SortFunc(infos, func(a, b Info) int { return a.ID.Compare(b.ID) })
	return func(yield func(Info, error) bool) {
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
		for _, err := range unreadable {
			if !yield(Info{}, err) {
				return
			}
		}
	}
}

// Delete removes a blob, and those of its chunks that nobody else needs. The
// removal of its name is durable when Delete returns; chunks that a crash kept
// from going are removed by the next Open. A blob with a damaged manifest can be
// deleted; one that a newer version wrote can not.
func (s *Store) Delete(ctx context.Context, id ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done, err := s.begin()
	if err != nil {
		return err
	}
	defer done()
	m, err := s.unlinkManifest(id)
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", id, err)
	}
	for chunk := range distinct(m.chunks) {
		s.chunks.release(chunk)
	}
	return nil
}

func (s *Store) unlinkManifest(id ID) (*manifest, error) {
	lock := &s.names[id[0]]
	lock.Lock()
	defer lock.Unlock()
	m, err := s.readManifest(id)
	if damage := (*DamagedError)(nil); errors.As(err, &damage) {
		m, err = &manifest{}, nil // its chunks are unknown; the next Open finds them
	}
	if err != nil {
		return nil, err
	}
	path := s.manifestPath(id)
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	s.forget(id)
	return m, syncDir(filepath.Dir(path))
}

// begin enters a step that Close waits for.
func (s *Store) begin() (done func(), err error) {
	s.steps.RLock()
	if s.closed {
		s.steps.RUnlock()
		return nil, ErrClosed
	}
	return s.steps.RUnlock, nil
}

// readManifest reads a manifest from disk: ErrNotFound, ErrNewer or *DamagedError.
func (s *Store) readManifest(id ID) (*manifest, error) {
	path := s.manifestPath(id)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	if st.Size() > maxManifest {
		return nil, s.damage(id, path, fmt.Sprintf("%d bytes are too many", st.Size()), hintManifest)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(id, b)
	switch {
	case errors.Is(err, ErrNewer):
		return nil, fmt.Errorf("%s: %w", path, err)
	case err != nil:
		return nil, s.damage(id, path, err.Error(), hintManifest)
	}
	return m, nil
}

// damage makes the error, counts it and writes it to the log.
func (s *Store) damage(id ID, file, reason, hint string) *DamagedError {
	s.metrics.damaged.Inc()
	s.log.Error().Stringer("blob", id).Str("file", file).Str("reason", reason).Str("hint", hint).Msg("blob is damaged")
	return &DamagedError{ID: id, File: file, Reason: reason, Hint: hint}
}

func (s *Store) remember(info Info) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.damaged, info.ID)
	if _, ok := s.index[info.ID]; !ok {
		s.metrics.blobs.Inc()
		s.metrics.stored.Add(float64(info.Size))
	}
	s.index[info.ID] = info
}

func (s *Store) forget(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.damaged, id)
	if info, ok := s.index[id]; ok {
		s.metrics.blobs.Dec()
		s.metrics.stored.Sub(float64(info.Size))
		delete(s.index, id)
	}
}

// scan reads every manifest and counts the chunks they name.
func (s *Store) scan() error {
	return s.eachFile(dirBlobs, func(name [32]byte, path string) error {
		id := ID(name)
		m, err := s.readManifest(id)
		damage := (*DamagedError)(nil)
		switch {
		case err == nil:
			for chunk := range distinct(m.chunks) {
				s.chunks.hold(chunk)
				s.chunks.setDurable(chunk)
			}
			s.remember(m.Info)
			return nil
		case errors.As(err, &damage): // in the log already
		case errors.Is(err, ErrNewer):
			s.log.Error().Err(err).Stringer("blob", id).Msg("blob can not be read, start the newer version of mero again")
		default:
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.damaged[id] = err
		return nil
	})
}

// sweep removes what a crash left.
func (s *Store) sweep() error {
	tmp := filepath.Join(s.dir, dirTmp)
	left, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for _, e := range left {
		if err := os.RemoveAll(filepath.Join(tmp, e.Name())); err != nil {
			return err
		}
	}
	// A chunk that no readable manifest names may be of one that can not be read.
	// It is then counted as in use until the next Open, or the end of a put of
	// the same content would take it.
	keep := len(s.damaged) > 0
	if keep {
		s.log.Warn().Int("manifests", len(s.damaged)).Msg("unused chunks are kept, some manifests can not be read")
	}
	return s.eachFile(dirChunks, func(name [32]byte, path string) error {
		switch {
		case s.chunks.used(name):
			return nil
		case keep:
			s.chunks.hold(name)
			s.chunks.setDurable(name)
			return nil
		default:
			return os.Remove(path)
		}
	})
}

// eachFile calls f, from several goroutines, for each file whose name is the hex
// of 32 bytes. Others are not ours and are left alone.
func (s *Store) eachFile(kind string, f func(name [32]byte, path string) error) error {
	root := filepath.Join(s.dir, kind)
	dirs, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(scanners)
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		group.Go(func() error {
			files, err := os.ReadDir(filepath.Join(root, dir.Name()))
			if err != nil {
				return err
			}
			for _, file := range files {
				raw, err := hex.DecodeString(file.Name())
				if err != nil || len(raw) != 32 {
					continue
				}
				name := [32]byte(raw)
				if err := f(name, filepath.Join(root, dir.Name(), file.Name())); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (s *Store) unlinkChunk(id chunkID) {
	if err := os.Remove(s.chunkPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn().Err(err).Msg("unused chunk is left until the next start")
	}
}

func (s *Store) manifestPath(id ID) string   { return s.path(dirBlobs, id[:]) }
func (s *Store) chunkPath(id chunkID) string { return s.path(dirChunks, id[:]) }

func (s *Store) path(kind string, id []byte) string {
	name := hex.EncodeToString(id)
	return filepath.Join(s.dir, kind, name[:2], name)
}

func (s *Store) buffer() *[ChunkSize]byte   { return s.buffers.Get().(*[ChunkSize]byte) }
func (s *Store) recycle(b *[ChunkSize]byte) { s.buffers.Put(b) }
