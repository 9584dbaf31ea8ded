//go:build !wasip1

package host

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// What a node takes of one call (wasm-abi 2).
const (
	maxEvents    = 100
	maxEventKind = 100
	maxEventData = 16 << 10
	maxXCalls    = 100
	maxXCallName = 100
	maxXCallData = 16 << 10
	maxBlobs     = 100
)

// Context is the context's id.
func Context() [32]byte { return call().Context }

// Executor is the member whose call this is.
func Executor() [32]byte { return call().Executor }

// Origin is the context that made the call, if one did.
func Origin() (context [32]byte, ok bool) {
	if o := call().Origin; o != nil {
		return *o, true
	}
	return context, false
}

// IsMember tells whether a key is a member's.
func IsMember(key [32]byte) bool { return slices.Contains(call().Members, key) }

// MemberList are the members' keys.
func MemberList() [][32]byte { return slices.Clone(call().Members) }

// Now is the time in nanoseconds since 1970.
func Now() uint64 {
	c := call()
	c.Time++
	return c.Time - 1
}

// Random fills data.
func Random(data []byte) { call().Random(data) }

// Log adds a line to the log.
func Log(line string) { call().Logs = append(call().Logs, line) }

// Emit sends an event; handler may be empty.
func Emit(kind string, data []byte, handler string) {
	c := call()
	switch {
	case len(kind) > maxEventKind:
		must(errors.New("event kind size overflow"))
	case len(data) > maxEventData:
		must(errors.New("event data size overflow"))
	case len(c.Events) >= maxEvents:
		must(errors.New("events overflow"))
	case !utf8.ValidString(kind):
		must(errors.New("invalid UTF-8 string"))
	}
	c.Events = append(c.Events, Emitted{kind, bytes.Clone(data), handler})
}

// XCall queues a call of another context.
func XCall(context [32]byte, method string, input []byte) {
	c := call()
	switch {
	case len(method) > maxXCallName:
		must(errors.New("xcall function size overflow"))
	case len(input) > maxXCallData:
		must(errors.New("xcall params size overflow"))
	case len(c.XCalls) >= maxXCalls:
		must(errors.New("xcalls overflow"))
	}
	c.XCalls = append(c.XCalls, Queued{context, method, bytes.Clone(input)})
}

// PrivateGet reads a value of this node.
func PrivateGet(key []byte) (value []byte, ok bool) {
	c := call()
	if kept, ok := c.Kept[string(key)]; ok {
		if kept == nil {
			return nil, false
		}
		return *kept, true
	}
	value, ok = c.Private[string(key)]
	return value, ok
}

// PrivatePut writes one.
func PrivatePut(key, value []byte) {
	value = bytes.Clone(value)
	keep(string(key), &value)
}

// PrivateRemove removes one.
func PrivateRemove(key []byte) (was bool) {
	_, was = PrivateGet(key)
	keep(string(key), nil)
	return was
}

func keep(key string, value *[]byte) {
	c := call()
	if c.Kept == nil {
		c.Kept = map[string]*[]byte{}
	}
	c.Kept[key] = value
}

// blob is an open handle.
type blob struct {
	writing bool
	id      [32]byte
	data    []byte // written, or still to be read
}

func newBlob(b *blob) uint64 {
	c := call()
	if len(c.blobs) >= maxBlobs {
		must(fmt.Errorf("too many blob handles (max: %d)", maxBlobs))
	}
	c.blobs = append(c.blobs, b)
	return uint64(len(c.blobs))
}

func openBlob(handle uint64, writing bool) *blob {
	c := call()
	if handle == 0 || handle > uint64(len(c.blobs)) || c.blobs[handle-1] == nil || c.blobs[handle-1].writing != writing {
		must(errors.New("invalid blob handle"))
	}
	return c.blobs[handle-1]
}

// BlobCreate starts a blob.
func BlobCreate() uint64 { return newBlob(&blob{writing: true}) }

// BlobOpen starts reading one.
func BlobOpen(id [32]byte) uint64 { return newBlob(&blob{id: id, data: call().Blobs[id]}) }

// BlobWrite appends.
func BlobWrite(handle uint64, data []byte) {
	b := openBlob(handle, true)
	b.data = append(b.data, data...)
}

// BlobRead fills data as far as there is something.
func BlobRead(handle uint64, data []byte) int {
	b := openBlob(handle, false)
	n := copy(data, b.data)
	b.data = b.data[n:]
	return n
}

// BlobClose ends writing or reading.
func BlobClose(handle uint64) (id [32]byte) {
	c := call()
	writing := handle > 0 && handle <= uint64(len(c.blobs)) && c.blobs[handle-1] != nil && c.blobs[handle-1].writing
	b := openBlob(handle, writing)
	c.blobs[handle-1] = nil
	if b.writing {
		b.id = blobID(b.data)
		c.Blobs[b.id] = b.data
	}
	return b.id
}

// blobID is the id of content (R22): the hash of the hashes of its chunks.
func blobID(data []byte) [32]byte {
	const chunk = 1 << 20
	all := sha256.New()
	for rest := data; ; {
		n := min(len(rest), chunk)
		sum := sha256.Sum256(rest[:n])
		all.Write(sum[:])
		if rest = rest[n:]; len(rest) == 0 {
			return [32]byte(all.Sum(nil))
		}
	}
}

// BlobAnnounce tells members' nodes that this one has a blob.
func BlobAnnounce(id [32]byte) { call().Announced = append(call().Announced, id) }
