package sdk

import "mero/node/sdk/internal/host"

// Place is where in the state a collection lies. Only generated code and tests
// have to do with places: applications get their collections bound.
type Place struct {
	parent *node
	key    string
	// in a list:
	inList bool
	insert bool
	index  int64
}

// Root is the place of the application's state struct.
func Root() Place { return Place{} }

// Object is the place of a struct of collections: a map that holds its fields.
// The state struct is Root itself.
func (p Place) Object() Object {
	if p.parent == nil {
		return Object{&node{ref: host.Root, opened: true}}
	}
	n := &node{}
	n.bind(p, host.Map, 0)
	return Object{n}
}

// Object is a struct of collections.
type Object struct{ n *node }

// Field is the place of a field.
func (o Object) Field(name string) Place { return Place{parent: o.n, key: name} }

// node is what all collections are: a place, and a handle once it was asked for.
// Opening writes nothing; a collection comes to be with the first write in it.
type node struct {
	place  Place
	kind   uint8
	flags  uint8
	opened bool
	ref    int32
}

func (n *node) bind(p Place, kind, flags uint8) {
	*n = node{place: p, kind: kind, flags: flags}
	if p.inList { // the index means something else after the next change
		n.handle()
	}
}

// handle opens the collection.
func (n *node) handle() int32 {
	if n.opened {
		return n.ref
	}
	p := n.place
	switch {
	case p.parent == nil:
		panic(unbound) //nolint:forbidigo // a mistake in the application, in the words that its author sees
	case p.insert:
		n.ref = host.InsertOpen(p.parent.handle(), p.index, n.kind, n.flags)
	case p.inList:
		n.ref = host.OpenAt(p.parent.handle(), p.index, n.kind, n.flags)
	default:
		n.ref = host.Open(p.parent.handle(), p.key, n.kind, n.flags)
	}
	n.opened = true
	return n.ref
}

const unbound = "sdk: a collection is used that is no field of the application's state: declare it there"
