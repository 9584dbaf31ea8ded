package host

// The kinds of collections, as numbers of the interface.
const (
	Absent   = 0
	Register = 1
	Map      = 2
	Set      = 3
	Counter  = 4
	List     = 5
	Text     = 6
	Members  = 7
	Value    = 255 // no collection, but a value in a map or list
)

// Once is the flag of registers and maps whose content is written once.
const Once = 1

// Root is the handle of the map that holds the named collections.
const Root = 0

// Entry is one entry of a page.
type Entry struct {
	Kind       uint8
	Key, Value []byte
}
