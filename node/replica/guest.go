package replica

import (
	"context"
	"errors"
	"io"
	"slices"

	"mero/blobkit"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// members answers a guest's questions about membership.
type members []ident.PublicKey

// IsMember implements vm.Members.
func (m members) IsMember(key ident.PublicKey) bool { return slices.Contains(m, key) }

// Members implements vm.Members.
func (m members) Members() []ident.PublicKey { return m }

// aliases resolves names that were given within a context.
type aliases struct {
	store *store.Store
	scope ident.ContextID
}

// Resolve implements vm.Aliases.
func (a aliases) Resolve(name string) (ident.ContextID, bool) {
	target, err := a.store.Alias(store.AliasContext, a.scope, name)
	return ident.ContextID(target), err == nil
}

// blobs gives a guest the node's blob store.
type blobs struct{ store *blobkit.Store }

// Create implements vm.Blobs.
func (b blobs) Create(ctx context.Context) (vm.BlobWriter, error) {
	w, err := b.store.Create(blobkit.PutOptions{})
	if err != nil {
		return nil, err
	}
	return blobPut{Writer: w, commit: func() (blobkit.Info, error) { return w.Commit(ctx) }}, nil
}

// Open implements vm.Blobs.
func (b blobs) Open(ctx context.Context, id [32]byte) (io.ReadCloser, error) {
	r, _, err := b.store.Get(ctx, blobkit.ID(id))
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
func (b blobs) Announce(_ context.Context, id [32]byte, _ ident.ContextID) error {
	_, err := b.store.Stat(blobkit.ID(id))
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

// layered is what a call of an old application sees: the replicated state
// first, then the node-local keys (R6).
type layered struct{ replicated, local vm.State }

// Get implements vm.State.
func (l layered) Get(key []byte) ([]byte, bool, error) {
	value, ok, err := l.replicated.Get(key)
	if ok || err != nil {
		return value, ok, err
	}
	return l.local.Get(key)
}
