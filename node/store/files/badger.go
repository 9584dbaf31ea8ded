package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

// Form of a log (badger v4.9.6, memtable.go and structs.go):
//
//	u64 encryption key, zero here | 12 bytes | records
//	record = meta | user meta | uvarint key | uvarint value | uvarint expiry | key | value | u32 crc32c
//
// A key ends with the inverted number of its transaction. Records of a transaction
// have bitTxn; one with bitFinTxn and the number as text ends it.
const (
	logHeader    = 20
	logMaxKey    = 1 << 16
	logBitTxn    = 1 << 6
	logBitFinTxn = 1 << 7
	versionBytes = 8
)

// logFile is what a log holds.
type logFile struct {
	first, last uint64 // complete transactions; zero when there is none
	gap         uint64 // the first number that is left out between them, or zero
	end         int64  // after the last complete transaction
	dirty       bool   // something that is not zero follows
}

func readLog(path string) (logFile, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return logFile{}, fmt.Errorf("read a log of the store: %w", err)
	}
	if len(b) < logHeader || binary.BigEndian.Uint64(b) != 0 {
		return logFile{}, &DamagedError{File: path, Reason: "has a bad header"}
	}
	return parseLog(b), nil
}

// parseLog reads what follows the header, as far as it is whole.
func parseLog(b []byte) logFile {
	l := logFile{end: logHeader}
	var open uint64 // the transaction that the records belong to
	for at := logHeader; ; {
		r, ok := readLogRecord(b[at:])
		if !ok {
			break
		}
		at += r.size
		if r.meta&logBitFinTxn == 0 {
			if open == 0 {
				open = r.version
			}
			if r.meta&logBitTxn == 0 || r.version != open {
				break
			}
			continue
		}
		n, err := strconv.ParseUint(string(r.value), 10, 64)
		if err != nil || n != open || n == 0 {
			break
		}
		l.add(n)
		l.end, open = int64(at), 0
	}
	l.dirty = len(bytes.TrimLeft(b[l.end:], "\x00")) > 0
	return l
}

func (l *logFile) add(n uint64) {
	if l.first == 0 {
		l.first = n
	} else if n != l.last+1 && l.gap == 0 {
		l.gap = l.last + 1
	}
	l.last = n
}

type logRecord struct {
	meta    byte
	version uint64
	value   []byte
	size    int
}

// readLogRecord reads one record; false where badger's replay stops.
func readLogRecord(b []byte) (logRecord, bool) {
	if len(b) < 2 {
		return logRecord{}, false
	}
	at := 2
	var lengths [3]uint64 // key, value, expiry
	for i := range lengths {
		n, size := binary.Uvarint(b[at:])
		if size <= 0 {
			return logRecord{}, false
		}
		lengths[i] = n
		at += size
	}
	key, value := lengths[0], lengths[1]
	if key < versionBytes || key > logMaxKey || value > math.MaxUint32 ||
		key+value+4 > uint64(len(b)-at) {
		return logRecord{}, false
	}
	end := at + int(key+value)
	if castagnoli(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return logRecord{}, false
	}
	inverted := binary.BigEndian.Uint64(b[at+int(key)-versionBytes:])
	return logRecord{
		meta: b[0], version: math.MaxUint64 - inverted,
		value: b[at+int(key) : end], size: end + 4,
	}, true
}

// Form of a table (badger v4.9.6, table/builder.go):
//
//	blocks | index | u32 length of index | checksum of index | u32 length of checksum
//	block = entries | checksum of them | u32 length of checksum

// Verifier checks tables, with one buffer for all of them. The zero value is ready;
// it is for one goroutine.
type Verifier struct{ buffer []byte }

// Table checks a table's index and, if asked, its blocks. It returns the newest
// transaction in it, and its size in bytes. A damaged table is a *DamagedError.
func (v *Verifier) Table(path string, blocks bool) (newest uint64, size int64, err error) {
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

func (v *Verifier) read(path string, f io.ReaderAt, size int64, blocks bool) (newest uint64, err error) {
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

func (v *Verifier) blocks(f io.ReaderAt, index *fb.TableIndex, end int64) error {
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
