package hosted

import (
	"context"
	"errors"
	"io"

	"mero/blobkit"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// Aliases resolves names that were given within a context.
type Aliases struct {
	Store *store.Store
	Scope ident.ContextID
}

// Resolve implements vm.Aliases.
func (a Aliases) Resolve(name string) (ident.ContextID, bool) {
	target, err := a.Store.Alias(store.AliasContext, a.Scope, name)
	return ident.ContextID(target), err == nil
}

// Blobs gives a guest the node's blob store.
type Blobs struct{ Store *blobkit.Store }

// Create implements vm.Blobs.
func (b Blobs) Create(ctx context.Context) (vm.BlobWriter, error) {
	w, err := b.Store.Create(blobkit.PutOptions{})
	if err != nil {
		return nil, err
	}
	return blobPut{Writer: w, commit: func() (blobkit.Info, error) { return w.Commit(ctx) }}, nil
}

// Open implements vm.Blobs.
func (b Blobs) Open(ctx context.Context, id [32]byte) (io.ReadCloser, error) {
	r, _, err := b.Store.Get(ctx, blobkit.ID(id))
	if errors.Is(err, blobkit.ErrNotFound) {
		return nil, vm.ErrBlobNotFound
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Announce implements vm.Blobs. A blob that is here can be announced; who
// fetches it is the network's matter.
func (b Blobs) Announce(_ context.Context, id [32]byte, _ ident.ContextID) error {
	_, err := b.Store.Stat(blobkit.ID(id))
	if errors.Is(err, blobkit.ErrNotFound) {
		return vm.ErrBlobNotFound
	}
	return err
}

// blobPut is one blob that a guest writes.
type blobPut struct {
	*blobkit.Writer
	commit func() (blobkit.Info, error)
}

// Commit implements vm.BlobWriter.
func (p blobPut) Commit() ([32]byte, error) {
	info, err := p.commit()
	return info.ID, err
}
