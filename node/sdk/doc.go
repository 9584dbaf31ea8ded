// Package sdk is what applications are written with: collections that the host
// keeps and merges, as fields of a struct.
//
//	type Notes struct {
//		Entries sdk.Map[Note]
//		Likes   sdk.Counter
//	}
//
//	// Add adds a note.
//	func (n *Notes) Add(title, body string) (Note, error) { … n.Entries.Put(…) … }
//
// `mero app new` makes such an application, `mero app build` compiles it. Its
// exported methods are what clients call: `add` with {"title":…,"body":…}. The
// node keeps the state; a call sees it through the collections and changes it
// there, and what it changed goes to the other members as operations, which every
// node folds into the same state.
//
// # State
//
// One struct of the package has the collections; it is found by them, or by the
// directive //mero:state above it. A collection's name in the state is that of its
// field in snake_case, or of the tag `mero:"name"`: keep it when you rename a
// field. The collections are Value, Map, Set, Counter, List and Text; MapOf,
// ListOf and Members hold collections, or structs of them, to a depth of 8; Once
// and OnceMap are written once. Values are stored as JSON: strings, booleans,
// numbers, []byte, time.Time, ID, slices, maps from strings, pointers (null) and
// structs of these; other types work too, at the price of encoding/json in the
// guest.
//
// # Methods
//
// An exported method of the struct may have any parameters of such types, and
// returns nothing, a value, an error, or both. Init makes the first state. Above a
// method, //mero:reads says that it changes nothing (the host holds it to that),
// and //mero:handler that it handles an Event: it is named On and the event's
// field. An error goes to the client, and nothing of the call is kept; an *Error
// has a word for programs.
//
// Every call begins with the memory as it was after the package was initialised,
// once for all calls on a node: package variables keep nothing, and math/rand gives the
// same numbers each time, so `mero app build` refuses it. Take Random, or crypto/rand,
// inside methods. An init function or a package variable that prints or calls the host
// costs that image: each call then initialises the package again, which takes several
// times as long. Compute tables there, and nothing of a call.
//
// What the host refuses (a wrong kind, an index
// out of range, a limit, a write in a method that reads) ends the call there, with
// the reason for the client; deferred functions do not run.
//
// # Tests
//
// The same code runs natively in `go test` on package sdktest, with one replica or
// with several whose deltas come in any order.
//
// # Elsewhere
//
// INTERFACE.md describes the functions of the host, version 1, for other
// languages. Packages codec, guest and jsonany are for generated code, and env is
// the raw layer below.
package sdk
