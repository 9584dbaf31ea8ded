package files

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Manifest is the file that lists the tables.
const Manifest = "MANIFEST"

// Files of badger v4.9.6. The manifest lists the tables; a log holds what is not
// in a table yet; the value log is always empty here, since every record is far
// below the value threshold.
const (
	logSuffix      = ".mem"
	tableSuffix    = ".sst"
	valueLogSuffix = ".vlog"
	discardFile    = "DISCARD"
	registryFile   = "KEYREGISTRY"
	asideSuffix    = ".lost"
)

// Inspection is what was found in the files before badger opens them.
type Inspection struct {
	// Fresh says that there is no store yet.
	Fresh bool
	// Last is the newest complete transaction.
	Last uint64
	// Lost is how many acknowledged transactions are gone; only when accepted.
	Lost uint64
	// Unread are the paths of tables that were not read.
	Unread []string

	// cut are logs with bytes after their last complete transaction.
	cut map[string]int64
	// aside are logs that follow a gap, and drop files without content.
	aside, drop []string
	// beyond is the newest transaction of those logs.
	beyond uint64
}

// Tables checks the manifest of a database and the tables that it names, up to a
// number of bytes of these, newest first. It returns the newest transaction that is
// in them, and the paths of tables that it did not read.
type Tables func(dir string, budget int64) (newest uint64, unread []string, err error)

// Inspect reads the files of a store that nobody has open, and changes nothing.
// anchored is the newest acknowledged transaction, verify how many bytes of tables
// to read, and accept whether acknowledged transactions may be missing. Errors:
// *DamagedError, those of tables and those of the system.
func Inspect(dir string, anchored uint64, verify int64, accept bool, tables Tables) (*Inspection, error) {
	in := &Inspection{cut: make(map[string]int64)}
	names, err := list(dir)
	if err != nil {
		return nil, err
	}
	in.drop = droppable(dir, names)
	if !slices.Contains(names, Manifest) {
		return in, in.withoutManifest(dir, names, anchored, accept)
	}
	if in.Last, in.Unread, err = tables(dir, verify); err != nil {
		return nil, err
	}
	suspect, err := in.readLogs(dir, names, accept)
	if err != nil {
		return nil, err
	}
	newest := max(anchored, in.beyond)
	if in.Last >= newest {
		return in, nil
	}
	if !accept {
		return nil, &DamagedError{File: suspect, Reason: "ends too early", Lost: newest - in.Last}
	}
	in.Lost = newest - in.Last
	return in, nil
}

func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the store's directory: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// droppable are files that hold nothing by construction, and whose damage would
// stop badger: it ends the process over some.
func droppable(dir string, names []string) []string {
	var out []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		switch {
		case strings.HasSuffix(name, valueLogSuffix), name == discardFile, name == registryFile && !goodRegistry(path):
			out = append(out, path)
		case strings.HasSuffix(name, logSuffix):
			// A crash between creating a log and giving it its size leaves this, and
			// badger v4.9.6 then refuses to open.
			if fi, err := os.Stat(path); err == nil && fi.Size() < logHeader {
				out = append(out, path)
			}
		}
	}
	return out
}

// goodRegistry checks the list of encryption keys, which is empty here.
func goodRegistry(path string) bool {
	const ivSize, text = 16, "Hello Badger"
	b, err := os.ReadFile(path)
	return err == nil && len(b) == ivSize+len(text) && string(b[ivSize:]) == text
}

func (in *Inspection) withoutManifest(dir string, names []string, anchored uint64, accept bool) error {
	for _, name := range names {
		if strings.HasSuffix(name, logSuffix) || strings.HasSuffix(name, tableSuffix) {
			return &DamagedError{File: filepath.Join(dir, Manifest), Reason: "is missing"}
		}
	}
	if anchored > 0 && !accept {
		return &DamagedError{File: dir, Reason: "is empty, but its anchor is not", Lost: anchored}
	}
	in.Fresh, in.Lost = true, anchored
	return nil
}

// readLogs replays the logs as badger will. Transactions are numbered without
// gaps, and a log may begin with what is in a table already. It returns the file
// in which a missing end most likely was.
func (in *Inspection) readLogs(dir string, names []string, accept bool) (string, error) {
	suspect := filepath.Join(dir, Manifest)
	gap := false
	for _, name := range logs(names) {
		path := filepath.Join(dir, name)
		if slices.Contains(in.drop, path) {
			suspect = path
			continue
		}
		l, err := readLog(path)
		if err != nil {
			return "", err
		}
		missing := l.first > in.Last+1
		switch {
		case gap || missing && accept:
			// What comes after a gap was written on top of what is lost.
			gap = true
			in.aside = append(in.aside, path)
			in.beyond = max(in.beyond, l.last)
			continue
		case missing:
			return "", &DamagedError{File: suspect, Reason: "ends before the next file begins", Lost: l.first - in.Last - 1}
		case l.gap > 0:
			return "", &DamagedError{File: path, Reason: fmt.Sprintf("transaction %d is missing", l.gap)}
		}
		in.Last = max(in.Last, l.last)
		if l.dirty {
			in.cut[path] = l.end
		}
		suspect = path
	}
	return suspect, nil
}

// logs are the names of logs in the order in which they were written.
func logs(names []string) []string {
	number := func(name string) int {
		n, err := strconv.Atoi(strings.TrimSuffix(name, logSuffix))
		if err != nil {
			return -1
		}
		return n
	}
	var out []string
	for _, name := range names {
		if strings.HasSuffix(name, logSuffix) && number(name) >= 0 {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return number(a) - number(b) })
	return out
}

// Prepare does what the inspection found to be safe or was told to accept.
func (in *Inspection) Prepare() error {
	for _, path := range in.drop {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove an empty file of the store: %w", err)
		}
	}
	for path, end := range in.cut {
		// badger would stop there too, but it believes lengths that damage made:
		// up to 4 GiB of memory.
		if err := os.Truncate(path, end); err != nil {
			return fmt.Errorf("cut a log of the store: %w", err)
		}
	}
	for _, path := range in.aside {
		if err := os.Rename(path, path+asideSuffix); err != nil {
			return fmt.Errorf("set a log of the store aside: %w", err)
		}
	}
	return nil
}
