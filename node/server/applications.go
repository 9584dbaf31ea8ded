package server

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"time"

	"mero/blobkit"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/store"
)

// installURL is POST /install-application.
func (x *exchange) installURL() error {
	var req api.InstallURLRequest
	if err := x.decode(&req, "url", "metadata"); err != nil {
		return err
	}
	src := apps.Source{Metadata: req.Metadata, Hash: (*[32]byte)(req.Hash)}
	app, err := x.server.deps.Apps.InstallURL(x.r.Context(), req.URL, src)
	return x.installed(app, err)
}

// installPath is POST /install-dev-application; the path is on this machine.
func (x *exchange) installPath() error {
	var req api.InstallPathRequest
	if err := x.decode(&req, "path", "metadata"); err != nil {
		return err
	}
	app, err := x.server.deps.Apps.InstallFile(x.r.Context(), req.Path, apps.Source{Metadata: req.Metadata})
	return x.installed(app, err)
}

// installed answers all three ways to install. Package and version of a plain
// module are always unknown and 0.0.0, whatever a request says (http-api 4.3).
func (x *exchange) installed(app store.App, err error) error {
	if err != nil {
		return err
	}
	return x.data(api.InstalledResponse{ApplicationID: app.ID})
}

// upload is PUT /x/applications: the body is the code (http-api 10).
func (x *exchange) upload() error {
	src, err := uploadSource(x.r.URL.Query())
	if err != nil {
		return err
	}
	// One byte more than the limit lets apps say what the limit is.
	body := &moving{x: x, body: http.MaxBytesReader(x, x.r.Body, apps.MaxSize+1)}
	app, err := x.server.deps.Apps.Install(x.r.Context(), body, src)
	if err != nil && body.err != nil && errors.Is(err, apps.ErrFetch) {
		return bodyError(body.err)
	}
	return x.installed(app, err)
}

func uploadSource(q url.Values) (apps.Source, error) {
	name := path.Base(path.Clean("/" + q.Get("name")))
	if name == "/" {
		name = "upload"
	}
	src := apps.Source{
		URL:     (&url.URL{Scheme: "file", Path: "/" + name}).String(),
		Package: q.Get("package"), Version: q.Get("version"),
	}
	metadata, err := base64.RawURLEncoding.DecodeString(q.Get("metadata"))
	if err != nil {
		return src, reject(http.StatusBadRequest, "query `metadata` is not base64url")
	}
	src.Metadata = metadata
	if text := q.Get("hash"); text != "" {
		hash, err := api.ParseHash(text)
		if err != nil {
			return src, reject(http.StatusBadRequest, "query `hash`: %v", err)
		}
		src.Hash = (*[32]byte)(&hash)
	}
	return src, nil
}

// moving is a body that must not stand still: each read has a deadline of its
// own, so that a long upload may take its time and a dead one may not.
type moving struct {
	x    *exchange
	body io.Reader
	err  error // what ended the body early
}

// Read implements io.Reader.
func (m *moving) Read(b []byte) (int, error) {
	m.x.bodyDeadline(time.Now().Add(m.x.server.cfg.BodyTimeout))
	n, err := m.body.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		m.x.bodyDeadline(time.Time{})
	case err != nil:
		m.err = err
	}
	return n, err
}

// applications is GET /applications.
func (x *exchange) applications() error {
	list, err := x.server.deps.Apps.List()
	if err != nil {
		return err
	}
	out := make([]api.Application, 0, len(list))
	for _, app := range list {
		out = append(out, application(app))
	}
	return x.data(api.ApplicationsResponse{Apps: out})
}

// application is GET /applications/:id; an unknown one is null with 200.
func (x *exchange) application() error {
	id, err := x.appID()
	if err != nil {
		return err
	}
	app, err := x.server.deps.Apps.App(id)
	if errors.Is(err, apps.ErrNotInstalled) {
		return x.data(api.ApplicationResponse{})
	}
	if err != nil {
		return err
	}
	shape := application(app)
	return x.data(api.ApplicationResponse{Application: &shape})
}

func application(app store.App) api.Application {
	return api.Application{
		ID: app.ID, Blob: api.ApplicationBlob{Bytecode: blobkit.ID(app.Blob)}, Size: app.Size,
		Source: app.Source, Metadata: app.Metadata, Package: app.Package, Version: app.Version, InstalledAt: app.Installed,
	}
}

// removeApplication is DELETE /applications/:id; it is idempotent. The names that
// this node has for the application go with it.
func (x *exchange) removeApplication() error {
	id, err := x.appID()
	if err != nil {
		return err
	}
	removed, err := x.server.deps.Apps.Remove(x.r.Context(), id)
	if removed || err == nil { // with removed, an error is about its code alone
		x.dropAliases(store.AliasApplication, id)
	}
	if err != nil {
		return err
	}
	return x.data(api.InstalledResponse{ApplicationID: id})
}

// methods is GET /x/applications/:id/methods.
func (x *exchange) methods() error {
	id, err := x.appID()
	if err != nil {
		return err
	}
	names, err := x.server.deps.Apps.Methods(x.r.Context(), id)
	if err != nil {
		return err
	}
	if names == nil {
		names = []string{}
	}
	description, err := x.server.deps.Apps.Manifest(x.r.Context(), id)
	if err != nil {
		return err
	}
	return x.data(api.MethodsResponse{ApplicationID: id, Methods: names, Description: description})
}
