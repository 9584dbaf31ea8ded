package files

import "bytes"

// ParseLog is what is read of a log: its newest transaction, and where it ends.
func ParseLog(b []byte) (first, last uint64, end int64) {
	l := parseLog(b)
	return l.first, l.last, l.end
}

// VerifyTable reads a table.
func VerifyTable(b []byte) error {
	var v Verifier
	_, err := v.read("table", bytes.NewReader(b), int64(len(b)), true)
	return err
}
