// Package appgen reads the source of an application written with node/sdk and
// writes what stands between it and the host: the exported functions of a guest,
// which read arguments and hand back results, the binding of the state's
// collections to their places, and functions that read and write the
// application's types as JSON; and the application's description.
//
// It goes by syntax alone and needs no toolchain: an application is one package,
// whose state and values are types declared in it, or of the SDK, or basic ones.
// Types of other packages are read and written with encoding/json, and are json
// in the description. What is wrong with types the compiler says; what is said
// here is what it cannot know, with file and line: the import of math/rand, too,
// whose numbers are the same in every call of a guest.
//
// The package is pure: the same files give the same bytes.
package appgen
