package api

import (
	"time"

	"mero/blobkit"
	"mero/node/ident"
	"mero/node/manifest"
)

// Application describes an installed application (http-api 4.1). All fields up
// to Metadata are required by existing clients.
type Application struct {
	ID   ident.AppID     `json:"id"`
	Blob ApplicationBlob `json:"blob"`
	// Size is that of the code in bytes.
	Size uint64 `json:"size"`
	// Source is a URL: where the code came from.
	Source   string `json:"source"`
	Metadata Bytes  `json:"metadata"`
	// Package, Version and InstalledAt are mero's own; other clients ignore
	// them.
	Package     string    `json:"package"`
	Version     string    `json:"version"`
	InstalledAt time.Time `json:"installedAt"`
}

// What Package and Version are of an application that names none.
const (
	UnknownPackage = manifest.UnknownPackage
	UnknownVersion = manifest.UnknownVersion
)

// BlobID names a blob.
type BlobID = blobkit.ID

// ApplicationBlob names the code.
type ApplicationBlob struct {
	Bytecode BlobID `json:"bytecode"`
	// Compiled is always zero: compiled code never leaves the node.
	Compiled BlobID `json:"compiled"`
}

// InstallURLRequest is the body of POST /install-application. The package and
// version that clients of the reference send are ignored for a plain module
// (http-api 4.3).
type InstallURLRequest struct {
	URL string `json:"url"`
	// Hash, when given, is the SHA-256 that the code must have.
	Hash *Hash `json:"hash,omitempty"`
	// Metadata is required, perhaps empty.
	Metadata Bytes `json:"metadata"`
}

// InstallPathRequest is the body of POST /install-dev-application.
type InstallPathRequest struct {
	// Path is on the node's disk.
	Path string `json:"path"`
	// Metadata is required, perhaps empty.
	Metadata Bytes `json:"metadata"`
}

// UploadOptions go with the code that PUT /x/applications carries as its body;
// on the wire they are the query.
type UploadOptions struct {
	// Name becomes the application's source, file:///NAME; empty is "upload".
	Name             string
	Package, Version string
	// Hash, when given, is the SHA-256 that the code must have.
	Hash *Hash
	// Metadata is sent base64url in the query; at most a few KiB fit.
	Metadata []byte
	// Size is the length of the code if it is known; 0 sends it in chunks.
	Size int64
}

// InstalledResponse is the data of both installs, of an upload and of a
// removal.
type InstalledResponse struct {
	ApplicationID ident.AppID `json:"applicationId"`
}

// ApplicationsResponse is the data of GET /applications.
type ApplicationsResponse struct {
	Apps []Application `json:"apps"`
}

// ApplicationResponse is the data of GET /applications/:id. An application
// that is not installed is null with status 200.
type ApplicationResponse struct {
	Application *Application `json:"application"`
}

// MethodsResponse is the data of GET /x/applications/:id/methods.
type MethodsResponse struct {
	ApplicationID ident.AppID `json:"applicationId"`
	// Methods are the exports that a client may call, sorted.
	Methods []string `json:"methods"`
	// Description is what the application says of its methods, types and state;
	// nil: it says nothing.
	Description *manifest.Manifest `json:"description,omitempty"`
}
