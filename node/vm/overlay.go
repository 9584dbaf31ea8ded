package vm

import (
	"bytes"
	"slices"
	"strings"
)

// entry is one key of an overlay: the value below, and the guest's own if it
// wrote. Values are never changed in place, so registers may share them.
type entry struct {
	below    []byte
	hadBelow bool
	written  bool
	value    []byte // of the guest, valid when written
	has      bool   // false: the guest removed the key
}

func (e *entry) current() ([]byte, bool) {
	if e.written {
		return e.value, e.has
	}
	return e.below, e.hadBelow
}

// overlay buffers the writes of a call above a State. The last write of a key
// wins, and reads are remembered, within bounds, because guests read the same
// records several times in one call.
type overlay struct {
	state   State
	account *account
	entries map[string]*entry
	// cached counts entries that were only read, and their bytes.
	cached, cachedBytes  int
	writes               int
	writeBytes, oldBytes int
}

// entryOverhead is about what an entry costs beside its bytes: itself, its place
// in the map and its Write in the outcome.
const entryOverhead = 256

func newOverlay(state State, a *account) overlay {
	return overlay{state: state, account: a, entries: make(map[string]*entry)}
}

// find gives the entry of key, asking the State below if it is not known. An
// entry that did not fit the cache is not in the map yet.
func (o *overlay) find(key []byte) (e *entry, kept bool, err error) {
	if e, ok := o.entries[string(key)]; ok {
		return e, true, nil
	}
	e = &entry{}
	if o.state != nil {
		if e.below, e.hadBelow, err = o.state.Get(key); err != nil {
			return nil, false, err
		}
		if !e.hadBelow {
			e.below = nil
		}
	}
	if size := len(key) + len(e.below); o.cached < maxReadCacheEntries && o.cachedBytes+size <= maxReadCacheBytes {
		o.cached++
		o.cachedBytes += size
		o.account.add(size + entryOverhead)
		o.entries[string(key)] = e
		return e, true, nil
	}
	return e, false, nil
}

// get reads a key as the guest sees it.
func (o *overlay) get(key []byte) ([]byte, bool) {
	e, _, err := o.find(key)
	if err != nil {
		stop(hostFault(err))
	}
	return e.current()
}

// set writes value, or removes the key when has is false, and gives what was
// there. The overlay copies value.
func (o *overlay) set(key, value []byte, has bool) (old []byte, had bool) {
	e, kept, err := o.find(key)
	if err != nil {
		stop(hostFault(err))
	}
	old, had = e.current()
	o.count(len(key) + len(value))
	if had == has && (!has || bytes.Equal(old, value)) {
		return old, had
	}
	if !kept {
		o.account.add(len(key) + len(e.below) + entryOverhead)
		o.entries[string(key)] = e
	}
	if !e.written {
		o.keepOld(len(e.below))
	}
	o.account.add(len(value) - len(e.value))
	e.written, e.has, e.value = true, has, nil
	if has {
		e.value = append(make([]byte, 0, len(value)), value...)
	}
	return old, had
}

// count holds a write against the limits of a call.
func (o *overlay) count(size int) {
	o.writes++
	o.writeBytes += size
	if o.writes > maxWrites || o.writeBytes > maxWriteBytes {
		stop(limit(msgWrites))
	}
}

// keepOld counts a replaced value, which stays in memory for Write.Old.
func (o *overlay) keepOld(size int) {
	o.oldBytes += size
	if o.oldBytes > maxOldBytes {
		stop(limit(msgWrites))
	}
}

// changes are the keys that differ from the state below, ascending.
func (o *overlay) changes() []Write {
	var out []Write
	for key, e := range o.entries {
		if !e.written || e.has == e.hadBelow && bytes.Equal(e.value, e.below) {
			continue
		}
		out = append(out, Write{
			Key: []byte(key), Value: e.value, Delete: !e.has, Old: e.below, HadOld: e.hadBelow,
		})
	}
	slices.SortFunc(out, func(a, b Write) int { return bytes.Compare(a.Key, b.Key) })
	return out
}

// logs keeps the log lines of a call.
type logs struct {
	account *account
	lines   []string
	// dropping: what is over the limits is left out instead of ending the call.
	dropping bool
}

// add appends a line that the guest logged.
func (l *logs) add(line []byte, text func([]byte) string) {
	switch {
	case len(l.lines) >= maxLogs:
		l.over("logs overflow")
	case len(line) > maxLogSize:
		l.over("log size overflow")
	default:
		kept := text(line)
		l.account.add(len(kept) + stringOverhead)
		l.lines = append(l.lines, kept)
	}
}

func (l *logs) over(message string) {
	if !l.dropping {
		stop(limit(message))
	}
}

// stringOverhead is what a string costs beside its bytes.
const stringOverhead = 16

// addOutput appends what the guest printed through WASI. That is not a function
// of the application interface, so its limits cut and drop, never trap; it is called
// when the guest has ended, too.
func (l *logs) addOutput(line string) {
	for len(l.lines) < maxLogs && line != "" {
		part := line[:min(len(line), maxLogSize)]
		kept := strings.ToValidUTF8(part, "\uFFFD")
		l.account.note(len(kept) + stringOverhead)
		l.lines = append(l.lines, kept)
		line = line[len(part):]
	}
}
