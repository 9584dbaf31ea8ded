package vm

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mero/node/ident"
)

// blobFuncs: content too large for the state. Handles count up from 1 within
// one call.
func blobFuncs() []hostFunc {
	list := []hostFunc{
		{name: "blob_create", pointer: ":I", call: blobCreate},
		{name: "blob_write", pointer: "II:I", flat: "III:I", call: blobWrite},
		{name: "blob_close", pointer: "II:i", flat: "III:i", call: blobClose},
		{name: "blob_open", pointer: "I:I", flat: "II:I", call: func(_ context.Context, g *guest) {
			g.result(g.addBlob(&blobHandle{id: g.id()}))
		}},
		{name: "blob_read", pointer: "II:I", flat: "III:I", call: blobRead},
		{name: "blob_announce_to_context", pointer: "II:i", flat: "IIII:i", call: func(ctx context.Context, g *guest) {
			blob, target := g.id(), ident.ContextID(g.id())
			g.needBlobs()
			if err := g.Blobs.Announce(ctx, blob, target); err != nil {
				// The guest's function has no way to fail but this (wasm-abi 1.5).
				stop(trap(msgBlobs))
			}
			g.result(1)
		}},
	}
	for i := range list {
		call := list[i].call
		list[i].outside = true
		list[i].call = func(ctx context.Context, g *guest) {
			g.charge(costBlob)
			call(ctx, g)
		}
	}
	return list
}

// blobTable holds the open handles of a call.
type blobTable struct {
	open  map[uint64]*blobHandle
	last  uint64
	total int // bytes written in this call
}

// blobHandle is a blob being written, or one being read.
type blobHandle struct {
	writer BlobWriter    // nil: a read handle
	id     [32]byte      // of a read handle
	reader io.ReadCloser // nil before the first read
	absent bool          // the first read found no blob
}

func (g *guest) needBlobs() {
	if g.Blobs == nil {
		stop(trap(msgBlobs))
	}
}

func (g *guest) addBlob(h *blobHandle) uint64 {
	g.needBlobs()
	g.roomForBlob()
	if g.blobs.open == nil {
		g.blobs.open = map[uint64]*blobHandle{}
	}
	g.blobs.last++
	g.blobs.open[g.blobs.last] = h
	return g.blobs.last
}

func (g *guest) roomForBlob() {
	if len(g.blobs.open) >= maxBlobHandles {
		stop(limit(fmt.Sprintf("too many blob handles (max: %d)", maxBlobHandles)))
	}
}

func (g *guest) blob(fd uint64) *blobHandle {
	g.needBlobs()
	h := g.blobs.open[fd]
	if h == nil {
		stop(trap(msgHandle))
	}
	return h
}

func blobCreate(ctx context.Context, g *guest) {
	g.needBlobs()
	g.roomForBlob()
	w, err := g.Blobs.Create(ctx)
	if err != nil {
		stop(hostFault(err))
	}
	g.result(g.addBlob(&blobHandle{writer: w}))
}

func blobWrite(_ context.Context, g *guest) {
	h := g.blob(g.arg())
	w := g.words(2)
	if w[1] > maxBlobChunk {
		stop(limit(fmt.Sprintf("blob write too large (size: %d, max: %d)", w[1], maxBlobChunk)))
	}
	data := g.view(w[0], w[1])
	if h.writer == nil {
		stop(trap(msgHandle))
	}
	if g.blobs.total += len(data); g.blobs.total > maxBlobBytes {
		stop(limit(fmt.Sprintf("blob write too large (size: %d, max: %d)", g.blobs.total, maxBlobBytes)))
	}
	if _, err := h.writer.Write(data); err != nil {
		stop(hostFault(err))
	}
	g.result(uint64(len(data)))
}

func blobClose(_ context.Context, g *guest) {
	fd := g.arg()
	h := g.blob(fd)
	dest := g.fixed(32)
	delete(g.blobs.open, fd)
	id := h.id
	if h.writer != nil {
		var err error
		if id, err = h.writer.Commit(); err != nil {
			stop(hostFault(err))
		}
	} else if h.reader != nil {
		if err := h.reader.Close(); err != nil {
			stop(hostFault(err))
		}
	}
	copy(dest, id[:])
	g.result(1)
}

func blobRead(ctx context.Context, g *guest) {
	h := g.blob(g.arg())
	w := g.words(2)
	if w[1] > maxBlobChunk {
		stop(limit(fmt.Sprintf("blob buffer too large (size: %d, max: %d)", w[1], maxBlobChunk)))
	}
	dest := g.view(w[0], w[1])
	if h.writer != nil {
		stop(trap(msgHandle))
	}
	if h.reader == nil && !h.absent {
		r, err := g.Blobs.Open(ctx, h.id)
		switch {
		case errors.Is(err, ErrBlobNotFound):
			h.absent = true
		case err != nil:
			stop(hostFault(err))
		default:
			h.reader = r
		}
	}
	if h.absent {
		g.result(0)
		return
	}
	n, err := io.ReadFull(h.reader, dest)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		stop(hostFault(err))
	}
	g.result(uint64(n))
}

// closeBlobs ends what the guest left open: an unfinished blob never existed.
func (g *guest) closeBlobs() {
	for _, h := range g.blobs.open {
		if h.writer != nil {
			h.writer.Abort()
		} else if h.reader != nil {
			// Nothing was written, so nothing is lost by an error here.
			_ = h.reader.Close()
		}
	}
	g.blobs.open = nil
}
