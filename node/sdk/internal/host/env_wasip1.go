package host

import "mero/node/sdk/env"

// Context is the context's id.
func Context() [32]byte { return env.ContextID() }

// Executor is the member whose call this is.
func Executor() [32]byte { return env.ExecutorID() }

// Origin is the context that made the call, if one did.
func Origin() (context [32]byte, ok bool) { return env.XCallOrigin() }

// IsMember tells whether a key is a member's.
func IsMember(key [32]byte) bool { return env.IsMember(key) }

// MemberList are the members' keys.
func MemberList() [][32]byte { return env.Members() }

// Now is the time in nanoseconds since 1970.
func Now() uint64 { return env.Now() }

// Random fills data.
func Random(data []byte) { env.Random(data) }

// Log adds a line to the log.
func Log(line string) { env.Log(line) }

// Emit sends an event; handler may be empty.
func Emit(kind string, data []byte, handler string) {
	if handler == "" {
		env.Emit(kind, data)
	} else {
		env.EmitWithHandler(kind, data, handler)
	}
}

// XCall queues a call of another context.
func XCall(context [32]byte, method string, input []byte) { env.XCall(context, method, input) }

// PrivateGet reads a value of this node.
func PrivateGet(key []byte) (value []byte, ok bool) { return env.PrivateRead(key) }

// PrivatePut writes one.
func PrivatePut(key, value []byte) { env.PrivateWrite(key, value) }

// PrivateRemove removes one.
func PrivateRemove(key []byte) (was bool) {
	_, was = env.PrivateRemove(key)
	return was
}

// BlobCreate starts a blob.
func BlobCreate() uint64 { return uint64(env.BlobCreate()) }

// BlobOpen starts reading one.
func BlobOpen(id [32]byte) uint64 { return uint64(env.BlobOpen(id)) }

// BlobWrite appends.
func BlobWrite(blob uint64, data []byte) { env.Blob(blob).Write(data) }

// BlobRead fills data as far as there is something.
func BlobRead(blob uint64, data []byte) int { return env.Blob(blob).Read(data) }

// BlobClose ends writing or reading.
func BlobClose(blob uint64) (id [32]byte) {
	id, _ = env.Blob(blob).Close()
	return id
}

// BlobAnnounce tells members' nodes that this one has a blob.
func BlobAnnounce(id [32]byte) { env.BlobAnnounce(id, env.ContextID()) }
