package delta

import (
	"errors"
	"fmt"

	"mero/node/ident"
)

// App is the payload of an app delta: from its place on the context runs another
// application (R10).
type App struct {
	// App is the application, Code the blob of its WASM.
	App  ident.AppID
	Code [32]byte
	// Package and Version name the application for people; UTF-8, at most MaxName
	// bytes each, may be empty.
	Package, Version string
	// Migrate is the method of the new application that brings the state into its
	// form, as a part of folding the delta; empty: none.
	Migrate string
}

type appWire struct {
	App     []byte `cbor:"1,keyasint"`
	Code    []byte `cbor:"2,keyasint"`
	Package string `cbor:"3,keyasint,omitempty"`
	Version string `cbor:"4,keyasint,omitempty"`
	Migrate string `cbor:"5,keyasint,omitempty"`
}

// EncodeApp writes the payload of an app delta. The error wraps ErrPayload.
func EncodeApp(a App) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("app: %w: %w", ErrPayload, err)
	}
	return encode("app", a.wire())
}

// DecodeApp reads the payload of an app delta. Errors wrap ErrPayload, or
// ErrUpgrade for a field that this release does not know.
func DecodeApp(payload []byte) (App, error) {
	var w appWire
	if err := decode(payload, &w); err != nil {
		return App{}, payloadError("app", err)
	}
	a := App{Package: w.Package, Version: w.Version, Migrate: w.Migrate}
	err := errors.Join(fixed("application", w.App, a.App[:]), fixed("code", w.Code, a.Code[:]))
	if err == nil {
		err = a.check()
	}
	if err == nil {
		err = canonical(payload, a.wire())
	}
	if err != nil {
		return App{}, payloadError("app", err)
	}
	return a, nil
}

func (a *App) wire() appWire {
	return appWire{App: a.App[:], Code: a.Code[:], Package: a.Package, Version: a.Version, Migrate: a.Migrate}
}

func (a *App) check() error {
	return errors.Join(
		text("package", a.Package, MaxName), text("version", a.Version, MaxName), text("migration", a.Migrate, MaxMethod))
}
