package env

//go:wasmimport env blob_create
func blobCreate() uint64

//go:wasmimport env blob_write
func blobWrite(handle, data uint64) uint64

//go:wasmimport env blob_close
func blobClose(handle, id uint64) uint32

//go:wasmimport env blob_open
func blobOpen(id uint64) uint64

//go:wasmimport env blob_read
func blobRead(handle, dest uint64) uint64

//go:wasmimport env blob_announce_to_context
func blobAnnounce(blob, context uint64) uint32

// Blob is a handle of a blob that is being read or written; it ends with the
// call.
type Blob uint64

// BlobCreate starts a blob.
func BlobCreate() Blob { return Blob(blobCreate()) }

// BlobOpen starts reading; whether the blob exists shows at the first Read.
func BlobOpen(id [32]byte) Blob { return Blob(blobOpen(describe(&bufA, id[:]))) }

// Write appends at most 10 MiB and returns how many bytes were taken.
func (b Blob) Write(data []byte) int { return int(blobWrite(uint64(b), describe(&bufA, data))) }

// Read fills data and returns how many bytes there were: 0 at the end, and for
// a blob that the node does not have.
func (b Blob) Read(data []byte) int { return int(blobRead(uint64(b), describe(&bufA, data))) }

var blobID [32]byte

// Close finishes a blob that was written, or ends reading, and returns its id.
func (b Blob) Close() (id [32]byte, ok bool) {
	ok = blobClose(uint64(b), describe(&bufA, blobID[:])) == 1
	return blobID, ok
}

// BlobAnnounce tells the network that this node has a blob of the context.
func BlobAnnounce(blob, context [32]byte) bool {
	return blobAnnounce(describe(&bufA, blob[:]), describe(&bufB, context[:])) == 1
}
