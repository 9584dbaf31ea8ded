// Package apps is the library of applications installed on this node: it
// checks code before anything is stored, keeps the bytes as a blob and the
// record in the store, and lends out compiled modules.
//
// An application's id is the hash of its code, package and version, so it is
// the same on every node, whatever path or URL the code came from. The
// reference's install functions of NodeClient live here.
//
// Install stores the blob first and the record last; a crash between the two
// leaves a blob that nothing names, which is harmless and found again by the
// same install. Compiled modules are a bounded cache; a module that is lent
// out is never closed.
//
// Writers remembers which methods of an application change state.
package apps
