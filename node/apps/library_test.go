package apps_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

type parts struct {
	store   *store.Store
	blobs   *blobkit.Store
	library *apps.Library
}

func open(t *testing.T) parts {
	t.Helper()
	dir, reg, log := t.TempDir(), prometheus.NewRegistry(), zerolog.Nop()
	db, err := store.Open(filepath.Join(dir, "db"), store.DefaultConfig(), store.Deps{Log: log, Metrics: reg})
	must(t, err)
	blobs, err := blobkit.Open(filepath.Join(dir, "blobs"), blobkit.Deps{Log: log, Metrics: reg}, blobkit.DefaultConfig())
	must(t, err)
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{CacheDir: filepath.Join(dir, "cache"), Log: log, Metrics: reg})
	must(t, err)
	library := apps.New(apps.Deps{Store: db, Engine: engine, Blobs: blobs, Log: log})
	t.Cleanup(func() {
		library.Close()
		must(t, engine.Close())
		must(t, blobs.Close())
		must(t, db.Close())
	})
	return parts{store: db, blobs: blobs, library: library}
}

// empty checks that nothing at all is stored.
func (p parts) empty(t *testing.T) {
	t.Helper()
	list, err := p.library.List()
	must(t, err)
	if len(list) != 0 {
		t.Errorf("applications were recorded: %+v", list)
	}
	for info, err := range p.blobs.List() {
		t.Errorf("a blob was stored: %+v, %v", info, err)
	}
}

func TestInstallRefusesBadCodeAndStoresNothing(t *testing.T) {
	p := open(t)
	other := sha256.Sum256([]byte("other"))
	for name, tc := range map[string]struct {
		code []byte
		src  apps.Source
		want func(error) bool
	}{
		"not a module":       {apptest.NotWASM(), apps.Source{}, is(vm.ErrNotWasm)},
		"empty":              {nil, apps.Source{}, is(vm.ErrNotWasm)},
		"truncated":          {apptest.Truncated(), apps.Source{}, as[*vm.InvalidModuleError]},
		"too large":          {make([]byte, apps.MaxSize+1), apps.Source{}, is(apps.ErrTooLarge)},
		"no memory":          {apptest.NoMemory(), apps.Source{}, as[*vm.InvalidModuleError]},
		"unknown import":     {apptest.MissingImport(), apps.Source{}, as[*vm.MissingImportsError]},
		"package too long":   {apptest.Minimal(), apps.Source{Package: strings.Repeat("p", store.MaxName+1)}, is(store.ErrTooLarge)},
		"too much metadata":  {apptest.Minimal(), apps.Source{Metadata: make([]byte, store.MaxMetadata+1)}, is(store.ErrTooLarge)},
		"not the given hash": {apptest.RawKV(t), apps.Source{Hash: &other}, is(apps.ErrMismatch)},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := p.library.Install(t.Context(), bytes.NewReader(tc.code), tc.src)
			if err == nil || !tc.want(err) {
				t.Errorf("got %+v, %v", app, err)
			}
			p.empty(t)
		})
	}
}

// TestIDDependsOnCodeAndRelease: where code came from does not matter, what it
// is and is called does.
func TestIDDependsOnCodeAndRelease(t *testing.T) {
	p := open(t)
	code := apptest.RawKV(t)
	path := filepath.Join(t.TempDir(), "kv.wasm")
	must(t, os.WriteFile(path, code, 0o600))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(code) }))
	defer web.Close()

	fromFile, err := p.library.InstallFile(t.Context(), path, apps.Source{Metadata: []byte("m")})
	must(t, err)
	if !strings.HasPrefix(fromFile.Source, "file:///") || fromFile.Size != uint64(len(code)) || string(fromFile.Metadata) != "m" {
		t.Errorf("record %+v", fromFile)
	}
	fromWeb, err := p.library.InstallURL(t.Context(), web.URL+"/kv.wasm", apps.Source{})
	must(t, err)
	if !cmp.Equal(fromFile, fromWeb) {
		t.Errorf("a second install is not the first: %s", cmp.Diff(fromFile, fromWeb))
	}
	release, err := p.library.Install(t.Context(), bytes.NewReader(code), apps.Source{Package: "kv", Version: "2.0.0"})
	must(t, err)
	if release.ID == fromFile.ID || release.Blob != fromFile.Blob {
		t.Errorf("another release of the same code: %+v", release)
	}

	removed, err := p.library.Remove(t.Context(), fromFile.ID)
	if err != nil || !removed {
		t.Fatalf("remove: %v, %v", removed, err)
	}
	if _, err := p.library.Methods(t.Context(), release.ID); err != nil {
		t.Errorf("the code went with another release of it: %v", err)
	}
	if _, err := p.library.Remove(t.Context(), release.ID); err != nil {
		t.Fatal(err)
	}
	p.empty(t)
	if removed, err := p.library.Remove(t.Context(), release.ID); err != nil || removed {
		t.Errorf("remove a second time: %v, %v", removed, err)
	}
	if _, err := p.library.App(release.ID); !errors.Is(err, apps.ErrNotInstalled) {
		t.Errorf("got %v, want ErrNotInstalled", err)
	}
}

func TestInstallFetches(t *testing.T) {
	p := open(t)
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	dir := t.TempDir()
	for name, install := range map[string]func() error{
		"no such file":     func() error { return second(p.library.InstallFile(t.Context(), dir+"/none", apps.Source{})) },
		"a directory":      func() error { return second(p.library.InstallFile(t.Context(), dir, apps.Source{})) },
		"not found":        func() error { return second(p.library.InstallURL(t.Context(), web.URL, apps.Source{})) },
		"another scheme":   func() error { return second(p.library.InstallURL(t.Context(), "file:///etc/passwd", apps.Source{})) },
		"nobody answers":   func() error { return second(p.library.InstallURL(t.Context(), "http://127.0.0.1:1/", apps.Source{})) },
		"not an address":   func() error { return second(p.library.InstallURL(t.Context(), "http://", apps.Source{})) },
		"control sequence": func() error { return second(p.library.InstallURL(t.Context(), "http://a\x7f/", apps.Source{})) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := install(); !errors.Is(err, apps.ErrFetch) {
				t.Errorf("got %v, want ErrFetch", err)
			}
			p.empty(t)
		})
	}
}

func TestRemoveRefusesWhatContextsUse(t *testing.T) {
	p := open(t)
	app, err := p.library.Install(t.Context(), bytes.NewReader(apptest.RawKV(t)), apps.Source{})
	must(t, err)
	id := ident.ContextID{1}
	must(t, p.store.Commit(t.Context(), &store.Step{Create: true, Context: &store.Context{
		ID: id, App: app.ID, Created: time.Now(), Heads: []delta.ID{{1}},
	}}))
	_, err = p.library.Remove(t.Context(), app.ID)
	var used *apps.InUseError
	if !errors.As(err, &used) || !cmp.Equal(used.Contexts, []ident.ContextID{id}) {
		t.Errorf("got %v, want InUseError naming %s", err, id)
	}
	if _, err := p.library.App(app.ID); err != nil {
		t.Errorf("the application is gone: %v", err)
	}
}

// TestInstallWhileTheSameCodeIsRemoved: a release that is acknowledged has its
// code, whatever happens to another release of it.
func TestInstallWhileTheSameCodeIsRemoved(t *testing.T) {
	p := open(t)
	for i := range 20 {
		code := variant(i)
		first, err := p.library.Install(t.Context(), bytes.NewReader(code), apps.Source{Version: "1"})
		must(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := p.library.Remove(t.Context(), first.ID); err != nil {
				t.Error(err)
			}
		})
		next, err := p.library.Install(t.Context(), bytes.NewReader(code), apps.Source{Version: "2"})
		wg.Wait()
		must(t, err)
		if _, err := p.library.Methods(t.Context(), next.ID); err != nil {
			t.Fatalf("round %d: installed without its code: %v", i, err)
		}
	}
}

// TestAddressesKeepTheirSecrets: what is listed and logged of a URL is without
// user, password and query.
func TestAddressesKeepTheirSecrets(t *testing.T) {
	p := open(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "hunter2" || r.URL.RawQuery != "sig=SECRET" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = w.Write(apptest.Minimal())
	}))
	defer web.Close()
	host := strings.TrimPrefix(web.URL, "http://")
	app, err := p.library.InstallURL(t.Context(), "http://bob:hunter2@"+host+"/a.wasm?sig=SECRET", apps.Source{})
	must(t, err)
	if want := web.URL + "/a.wasm"; app.Source != want {
		t.Errorf("source %s, want %s", app.Source, want)
	}
	_, err = p.library.InstallURL(t.Context(), "http://bob:hunter3@"+host+"/a.wasm?sig=SECRET", apps.Source{})
	if err == nil || strings.Contains(err.Error(), "hunter3") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v, want an error without secrets", err)
	}
	web.Close()
	_, err = p.library.InstallURL(t.Context(), "http://bob:hunter2@"+host+"/a.wasm?sig=SECRET", apps.Source{})
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v, want an error without secrets", err)
	}
}

// TestModulesAreLentConcurrently has many borrowers of more modules than the
// cache keeps, while one of the applications is removed.
func TestModulesAreLentConcurrently(t *testing.T) {
	p := open(t)
	var ids []ident.AppID
	for i := range 20 {
		app, err := p.library.Install(t.Context(), bytes.NewReader(variant(i)), apps.Source{})
		must(t, err)
		ids = append(ids, app.ID)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 60 {
				module, release, err := p.library.Module(t.Context(), ids[(i*7+worker)%len(ids)])
				if errors.Is(err, apps.ErrNotInstalled) {
					continue
				}
				if err != nil {
					t.Errorf("borrow: %v", err)
					return
				}
				if !module.Has("init") {
					t.Error("a module without its export")
				}
				release()
				release() // a second time does nothing
			}
		})
	}
	if _, err := p.library.Remove(t.Context(), ids[0]); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func second(_ store.App, err error) error { return err }

func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// variant is a small module that differs from the others by a custom section.
func variant(n int) []byte {
	return append(apptest.Minimal(), 0, 2, 1, byte('a'+n))
}
