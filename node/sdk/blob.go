package sdk

import (
	"io"

	"mero/node/sdk/internal/host"
)

// mostBlob is how much one host call reads or writes.
const mostBlob = 1 << 20

// BlobWriter writes a blob: content that is too large for the state, which keeps
// its id.
type BlobWriter struct{ handle uint64 }

// CreateBlob starts a blob. One that is not closed never existed.
func CreateBlob() *BlobWriter { return &BlobWriter{host.BlobCreate()} }

// Write implements io.Writer; it gives no error.
func (w *BlobWriter) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0; {
		n := min(len(rest), mostBlob)
		host.BlobWrite(w.handle, rest[:n])
		rest = rest[n:]
	}
	return len(data), nil
}

// Close finishes the blob and gives its id, which depends on the content alone.
func (w *BlobWriter) Close() ID { return host.BlobClose(w.handle) }

// PutBlob stores data as a blob.
func PutBlob(data []byte) ID {
	w := CreateBlob()
	_, _ = w.Write(data) // gives no error
	return w.Close()
}

// BlobReader reads a blob.
type BlobReader struct{ handle uint64 }

// OpenBlob starts reading. A blob that this node does not have is empty.
func OpenBlob(id ID) *BlobReader { return &BlobReader{host.BlobOpen(id)} }

// Read implements io.Reader.
func (r *BlobReader) Read(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	n := host.BlobRead(r.handle, data[:min(len(data), mostBlob)])
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close ends reading.
func (r *BlobReader) Close() { host.BlobClose(r.handle) }

// AnnounceBlob tells the other members' nodes that this one has a blob.
func AnnounceBlob(id ID) { host.BlobAnnounce(id) }
