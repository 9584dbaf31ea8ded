package apps

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/ident"
	"mero/node/manifest"
	"mero/node/store"
	"mero/node/vm"
)

// MaxSize is the largest module that is installed, in bytes (wasm-abi 2).
const MaxSize = 20 << 20

// Defaults for a plain module, which names neither package nor version
// (http-api 4.3).
const (
	UnknownPackage = manifest.UnknownPackage
	UnknownVersion = manifest.UnknownVersion
)

var (
	// ErrNotInstalled says that this node does not have the application.
	ErrNotInstalled = errors.New("application is not installed")
	// ErrTooLarge says that the code is over MaxSize.
	ErrTooLarge = fmt.Errorf("module is larger than %d bytes", MaxSize)
	// ErrMismatch says that the code does not have the hash that was asked for.
	ErrMismatch = errors.New("code does not have the expected hash")
	// ErrFetch says that code could not be read from its path or URL.
	ErrFetch = errors.New("cannot read the application's code")
)

// InUseError refuses to remove an application that contexts here run.
type InUseError struct {
	App      ident.AppID
	Contexts []ident.ContextID
}

// Error names the first context.
func (e *InUseError) Error() string {
	return fmt.Sprintf("application %s is used by %d contexts here, %s among them; delete them first",
		e.App, len(e.Contexts), e.Contexts[0])
}

// Deps are what a Library is built from; all are required.
type Deps struct {
	Store  *store.Store
	Engine *vm.Engine
	Blobs  *blobkit.Store
	Log    zerolog.Logger
}

// Library holds the installed applications. Safe for concurrent use.
type Library struct {
	deps  Deps
	cache moduleCache

	manifests manifests

	// using is held for reading by whoever is about to name an application or
	// its code, for writing by Remove: what is named is not taken away.
	using sync.RWMutex
}

// New opens the library that the store and the blobs hold.
func New(deps Deps) *Library {
	return &Library{deps: deps, cache: newModuleCache()}
}

// Source describes code to install.
type Source struct {
	// URL is kept as the application's source; it must parse as a URL.
	URL      string
	Metadata []byte
	// Package and Version name a release; empty means unknown and 0.0.0.
	Package, Version string
	// Hash, when not nil, is the SHA-256 that the code must have.
	Hash *[32]byte
}

// Install reads, checks, compiles and stores an application. Installing what
// is there already changes nothing and returns its record. Nothing is stored
// when the code is refused: the errors are ErrTooLarge, ErrMismatch and those
// of vm.Engine.Compile.
func (l *Library) Install(ctx context.Context, code io.Reader, src Source) (store.App, error) {
	if err := src.check(); err != nil {
		return store.App{}, err
	}
	wasm, err := io.ReadAll(io.LimitReader(code, MaxSize+1))
	if err != nil {
		return store.App{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if len(wasm) > MaxSize {
		return store.App{}, ErrTooLarge
	}
	if src.Hash != nil && sha256.Sum256(wasm) != *src.Hash {
		return store.App{}, ErrMismatch
	}
	module, err := l.deps.Engine.Compile(ctx, wasm)
	if err != nil {
		return store.App{}, err
	}
	defer module.Release()
	if _, err := describe(module); err != nil {
		return store.App{}, err
	}
	return l.record(ctx, wasm, src)
}

// check refuses what the store would not take, before anything is stored.
func (src Source) check() error {
	for what, text := range map[string]string{"package": src.Package, "version": src.Version} {
		if len(text) > store.MaxName {
			return fmt.Errorf("%w: %s of %d bytes, at most %d", store.ErrTooLarge, what, len(text), store.MaxName)
		}
	}
	for what, size := range map[string]int{"metadata": len(src.Metadata), "source": len(src.URL)} {
		if size > store.MaxMetadata {
			return fmt.Errorf("%w: %s of %d bytes, at most %d", store.ErrTooLarge, what, size, store.MaxMetadata)
		}
	}
	return nil
}

// record stores checked code: the blob first, then its name.
func (l *Library) record(ctx context.Context, wasm []byte, src Source) (store.App, error) {
	l.using.RLock()
	defer l.using.RUnlock()
	info, err := l.deps.Blobs.Put(ctx, bytes.NewReader(wasm), blobkit.PutOptions{MaxSize: MaxSize})
	if err != nil {
		return store.App{}, fmt.Errorf("store the application's code: %w", err)
	}
	app := store.App{
		Blob:      info.ID,
		Size:      uint64(info.Size),
		Source:    src.URL,
		Metadata:  src.Metadata,
		Package:   orElse(src.Package, UnknownPackage),
		Version:   orElse(src.Version, UnknownVersion),
		Installed: time.Now().UTC(),
	}
	app.ID, err = appID(app.Blob, app.Package, app.Version)
	if err != nil {
		return store.App{}, err
	}
	if old, err := l.App(app.ID); err == nil {
		return old, nil
	}
	if err := l.deps.Store.PutApp(ctx, app); err != nil {
		// The code stays if another application names it; a failure to remove it
		// again is the smaller trouble.
		return store.App{}, errors.Join(fmt.Errorf("record application: %w", err), l.dropCode(ctx, app))
	}
	l.deps.Log.Info().Stringer("app", app.ID).Str("source", app.Source).Uint64("bytes", app.Size).Msg("application installed")
	return app, nil
}

// appID is SHA-256 over the deterministic CBOR array [code blob id, package,
// version] (http-api 10).
func appID(code blobkit.ID, pkg, version string) (ident.AppID, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return ident.AppID{}, fmt.Errorf("cbor: %w", err)
	}
	form, err := mode.Marshal([]any{code[:], pkg, version})
	if err != nil {
		return ident.AppID{}, fmt.Errorf("encode application id: %w", err)
	}
	return sha256.Sum256(form), nil
}

// App is the record of an installed application, or ErrNotInstalled.
func (l *Library) App(id ident.AppID) (store.App, error) {
	app, err := l.deps.Store.App(id)
	if errors.Is(err, store.ErrNotFound) {
		return store.App{}, fmt.Errorf("%w: %s", ErrNotInstalled, id)
	}
	return app, err
}

// Pin gives an application's record and keeps it from being removed until unpin
// is called.
func (l *Library) Pin(id ident.AppID) (app store.App, unpin func(), err error) {
	l.using.RLock()
	app, err = l.App(id)
	if err != nil {
		l.using.RUnlock()
		return app, nil, err
	}
	return app, l.using.RUnlock, nil
}

// List is every installed application, by id.
func (l *Library) List() ([]store.App, error) { return l.deps.Store.Apps() }

// Remove forgets an application. It reports false when it was not there, and
// *InUseError while contexts of this node run it. The code's blob is removed
// with the last application that names it.
func (l *Library) Remove(ctx context.Context, id ident.AppID) (bool, error) {
	l.using.Lock()
	defer l.using.Unlock()
	app, err := l.App(id)
	if errors.Is(err, ErrNotInstalled) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	users, err := l.users(id)
	if err != nil {
		return false, err
	}
	if len(users) > 0 {
		return false, &InUseError{App: id, Contexts: users}
	}
	if err := l.deps.Store.DeleteApp(ctx, id); err != nil {
		return false, fmt.Errorf("forget application: %w", err)
	}
	l.cache.drop(id, nil)
	return true, l.dropCode(ctx, app)
}

func (l *Library) users(id ident.AppID) ([]ident.ContextID, error) {
	contexts, err := l.deps.Store.Contexts()
	if err != nil {
		return nil, err
	}
	var users []ident.ContextID
	for _, c := range contexts {
		if c.App == id || slices.Contains(c.Former, id) {
			users = append(users, c.ID)
		}
	}
	return users, nil
}

func (l *Library) dropCode(ctx context.Context, gone store.App) error {
	rest, err := l.List()
	if err != nil {
		return err
	}
	for _, app := range rest {
		if app.Blob == gone.Blob {
			return nil
		}
	}
	if err := l.deps.Blobs.Delete(ctx, blobkit.ID(gone.Blob)); err != nil && !errors.Is(err, blobkit.ErrNotFound) {
		return fmt.Errorf("remove the application's code: %w", err)
	}
	return nil
}

// Methods names what clients may call, sorted.
func (l *Library) Methods(ctx context.Context, id ident.AppID) ([]string, error) {
	module, release, err := l.Module(ctx, id)
	if err != nil {
		return nil, err
	}
	defer release()
	return module.Methods(), nil
}

// Module lends the compiled code of an application. The caller must release it
// once, after its last use.
func (l *Library) Module(ctx context.Context, id ident.AppID) (*vm.Module, func(), error) {
	return l.cache.get(ctx, id, func(ctx context.Context) (*vm.Module, error) {
		app, err := l.App(id)
		if err != nil {
			return nil, err
		}
		wasm, err := l.deps.Blobs.Bytes(ctx, blobkit.ID(app.Blob), MaxSize)
		if err != nil {
			return nil, fmt.Errorf("code of application %s: %w", id, err)
		}
		return l.deps.Engine.Compile(ctx, wasm)
	})
}

// Close lets go of all compiled modules; none may be lent out any more.
func (l *Library) Close() { l.cache.close() }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
