package files

// ParseLog is what is read of a log: its newest transaction, and where it ends.
func ParseLog(b []byte) (first, last uint64, end int64) {
	l := parseLog(b)
	return l.first, l.last, l.end
}
