package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

// readTables is what node/store/files leaves to those who know badger: it checks the
// manifest and every table that it names (files.Tables).
func readTables(dir string, budget int64) (last uint64, unread []string, err error) {
	path := filepath.Join(dir, badger.ManifestFilename)
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, fmt.Errorf("open the store's manifest: %w", err)
	}
	defer func() { _ = f.Close() }()
	manifest, _, err := badger.ReplayManifestFile(f, 0, badger.Options{})
	if err != nil {
		return 0, nil, &DamagedError{File: path, Reason: "cannot be read", Err: err}
	}
	ids := make([]uint64, 0, len(manifest.Tables))
	for id := range manifest.Tables {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	var v verifier
	for _, id := range ids {
		if manifest.Tables[id].KeyID != 0 {
			return 0, nil, &DamagedError{File: path, Reason: fmt.Sprintf("table %d is said to be encrypted", id)}
		}
		file := table.NewFilename(id, dir)
		newest, size, err := v.table(file, budget > 0)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil, &DamagedError{File: file, Reason: "is missing"}
		}
		if err != nil {
			return 0, nil, err
		}
		if budget <= 0 {
			unread = append(unread, file)
		}
		budget -= size
		last = max(last, newest)
	}
	return last, unread, nil
}

// Form of a table (badger v4.9.6, table/builder.go):
//
//	blocks | index | u32 length of index | checksum of index | u32 length of checksum
//	block = entries | checksum of them | u32 length of checksum

// verifier checks tables, with one buffer for all of them.
type verifier struct{ buffer []byte }

// table checks a table's index and, if asked, its blocks. It returns the newest
// transaction in it, and its size in bytes. A damaged table is a *DamagedError.
func (v *verifier) table(path string, blocks bool) (newest uint64, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("open a table of the store: %w", err)
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("open a table of the store: %w", err)
	}
	newest, err = v.read(path, f, fi.Size(), blocks)
	return newest, fi.Size(), err
}

func (v *verifier) read(path string, f io.ReaderAt, size int64, blocks bool) (newest uint64, err error) {
	// flatbuffers has no bounds of its own; the checksum before it makes a panic
	// all but impossible, and this makes it an error.
	defer func() {
		if r := recover(); r != nil {
			err = &DamagedError{File: path, Reason: fmt.Sprintf("index is not well formed: %v", r)}
		}
	}()
	index, end, err := tableIndex(f, size)
	if err != nil {
		return 0, &DamagedError{File: path, Reason: "index is damaged", Err: err}
	}
	if blocks {
		if err := v.blocks(f, index, end); err != nil {
			return 0, &DamagedError{File: path, Reason: "data are damaged", Err: err}
		}
	}
	return index.MaxVersion(), nil
}

var errForm = errors.New("lengths do not fit the file")

// tableIndex reads the index and where it begins.
func tableIndex(f io.ReaderAt, size int64) (*fb.TableIndex, int64, error) {
	end := size
	sum, err := lengthAndBytes(f, &end)
	if err != nil {
		return nil, 0, err
	}
	data, err := lengthAndBytes(f, &end)
	if err != nil {
		return nil, 0, err
	}
	if len(sum) == 0 || len(data) < 8 { // zeros would pass as an empty index
		return nil, 0, errForm
	}
	if err := verifySum(data, sum); err != nil {
		return nil, 0, err
	}
	return fb.GetRootAsTableIndex(data, 0), end, nil
}

// lengthAndBytes reads bytes that are followed by their length, and moves end
// before them.
func lengthAndBytes(f io.ReaderAt, end *int64) ([]byte, error) {
	var b [4]byte
	if *end < int64(len(b)) {
		return nil, errForm
	}
	if _, err := f.ReadAt(b[:], *end-int64(len(b))); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	*end -= int64(len(b))
	n := int64(binary.BigEndian.Uint32(b[:]))
	if n > *end {
		return nil, errForm
	}
	*end -= n
	out := make([]byte, n)
	if _, err := f.ReadAt(out, *end); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return out, nil
}

func (v *verifier) blocks(f io.ReaderAt, index *fb.TableIndex, end int64) error {
	if int64(cap(v.buffer)) < end {
		v.buffer = make([]byte, end)
	}
	data := v.buffer[:end]
	if _, err := f.ReadAt(data, 0); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	var offset fb.BlockOffset
	for i := range index.OffsetsLength() {
		if !index.Offsets(&offset, i) {
			return errForm
		}
		from, n := int64(offset.Offset()), int64(offset.Len())
		if from+n > end {
			return errForm
		}
		if err := verifyBlock(data[from : from+n]); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

func verifyBlock(b []byte) error {
	if len(b) < 4 {
		return errForm
	}
	n := int64(binary.BigEndian.Uint32(b[len(b)-4:]))
	b = b[:len(b)-4]
	if n > int64(len(b)) {
		return errForm
	}
	from := int64(len(b)) - n
	return verifySum(b[:from], b[from:])
}

func verifySum(data, sum []byte) error {
	var want pb.Checksum
	if err := proto.Unmarshal(sum, &want); err != nil {
		return fmt.Errorf("checksum: %w", err)
	}
	if want.Algo != pb.Checksum_CRC32C && want.Algo != pb.Checksum_XXHash64 {
		return errForm
	}
	return y.VerifyChecksum(data, &want) //nolint:wrapcheck // wrapped by the callers
}
