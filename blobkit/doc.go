// Package blobkit keeps blobs: byte strings named by their content (R22).
//
// It owns one directory and knows nothing of contexts, applications or peers.
// A reader who comes from the reference node finds its BlobManager here.
//
// # Names
//
// Content is cut into chunks of [ChunkSize] bytes; a chunk's id is the SHA-256
// of its bytes, a blob's id the SHA-256 of its chunk ids one after the other,
// also for a blob of one chunk. Clients depend on this rule. The SHA-256 of the
// whole content is kept beside it as [Info.Hash]. An empty blob is a blob.
//
// # At rest
//
//	chunks/ab/<hex of chunk id>   the bytes of one chunk, shared between blobs
//	blobs/ab/<hex of blob id>     the manifest: size, hash, type, chunk ids
//	tmp/<n>/                      what a running put has written so far
//
// # Promises
//
// A blob exists from the moment its manifest is renamed into place, and not
// before: chunks are written to temporary files, each synced (many at a time),
// renamed, and their directories synced, before the manifest takes the same
// road. When Put or Commit returns, the blob survives a power cut. A crash at
// any point leaves the blob whole or absent; [Open] removes temporary files and
// chunks that no manifest names.
//
// Every chunk is hashed when it is read. Bytes that do not match their name are
// never returned: the read ends with a [DamagedError] that names the file.
// Putting the same content again repairs it, since a put compares what it finds
// and does not trust it.
//
// A chunk is counted once by each manifest that names it, once by each running
// put, and once by each open [Reader]; its file goes with the last of them. The
// counts are not stored, Open derives them from the manifests. So a delete never
// takes what another blob, put or reader still needs, and a reader that is open
// goes on after its blob was deleted.
//
// # Concurrency and memory
//
// A [Store] may be used by many goroutines; a [Writer] or [Reader] by one at a
// time. A directory belongs to one Store: nothing here keeps a second process
// out, the node's lock on its home does. A put of any size holds at most
// six MiB of content, a reader one; both hold 32 bytes per chunk besides.
package blobkit
