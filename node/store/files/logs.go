package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strconv"
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
