package artifact

import "bytes"

const (
	idSize        = 32
	hashSize      = 32
	keySize       = 32
	signatureSize = 64
)

// The actions of wasm-abi 6.2, by tag.
const (
	actionAdd     = 0
	actionCompare = 1
	actionDelete  = 2
	actionUpdate  = 3
)

// The storage types, by tag.
const (
	storagePublic = 0
	storageUser   = 1
	storageFrozen = 2
	storageShared = 3
	storageMember = 4
)

// action is one action, as places and parts of the artifact. It is valid until the
// next one is read.
type action struct {
	tag     byte
	id      []byte
	data    []byte
	links   [][]byte // id and merkle hash of each ancestor, 64 bytes
	deleted []byte   // u64 of a deletion
	meta    metadata
	latest  uint64 // timestamp, of ancestors too
}

// metadata is what signing needs of an entry's metadata.
type metadata struct {
	times   []byte // u64 created at, u64 updated at
	storage []byte // the whole storage type
	kind    byte   // of the storage type
	owner   []byte // of a user's entry
	writers []byte // of a shared entry: u32 count, then the writers
	keys    [][]byte
	anchor  []byte // of a member of a shared entry
	sign    int    // place of the signature, 0: none
	nonce   int    // place of its u64
	signer  []byte // option and key; nil where the layout has none
	crdt    []byte // tag and strings of the CRDT type; nil: not named
	field   []byte // name of the field; nil: not named
	schema  []byte // u32; nil: not named
}

// scanner reads the actions of an artifact in one form.
type scanner struct {
	reader
	form   form
	bare   bool // do not list ancestors and writers: only latest is of interest
	left   int  // actions to come
	action action
}

// begin puts the scanner to the first action. In reused memory it keeps the room of
// the lists.
func (s *scanner) begin(artifact []byte, f *form) {
	s.reader, s.form, s.left = reader{data: artifact}, *f, 0
	if s.u8() != 0 { // a list of actions; see the package documentation
		s.fail()
		return
	}
	s.left = s.count(1 + idSize)
}

// next reads an action; false after the last, and when something is wrong.
func (s *scanner) next() bool {
	if s.bad || s.left == 0 {
		return false
	}
	s.left--
	s.readAction()
	return !s.bad
}

// ended reports whether all of the artifact has the form, after the last action.
func (s *scanner) ended() bool { return !s.bad && s.at == len(s.data) }

// scan visits the actions of an artifact, and reports whether all of it has the
// form. What was visited is worth nothing if not.
func scan(artifact []byte, f *form, visit func(*action)) bool {
	var s scanner
	s.begin(artifact, f)
	for s.next() {
		visit(&s.action)
	}
	return s.ended()
}

// latest is the latest timestamp in an artifact, and whether it has the form. It
// lists nothing.
func (s *scanner) latest(artifact []byte, f *form) (latest uint64, ok bool) {
	s.bare = true
	s.begin(artifact, f)
	for s.next() {
		latest = max(latest, s.action.latest)
	}
	return latest, s.ended()
}

func (s *scanner) readAction() {
	a := &s.action
	*a = action{links: a.links[:0], tag: s.u8()}
	a.meta.keys = nil
	a.id = s.take(idSize)
	switch a.tag {
	case actionAdd, actionUpdate:
		a.data = s.bytes()
		s.ancestors()
		s.metadata(&a.meta)
	case actionCompare:
		if !s.form.compare {
			s.fail()
		}
	case actionDelete:
		s.deletion()
	default:
		s.fail()
	}
}

func (s *scanner) deletion() {
	if s.form.deletion == deleteAncestors {
		s.ancestors()
		return
	}
	from := s.at
	at := s.u64()
	s.action.deleted = s.data[from:s.at]
	s.action.latest = max(s.action.latest, at)
	if s.form.deletion == deleteTimeAndMetadata {
		s.metadata(&s.action.meta)
	}
}

func (s *scanner) ancestors() {
	for range s.count(idSize + hashSize + 16) {
		link := s.take(idSize + hashSize)
		if !s.bare {
			s.action.links = append(s.action.links, link)
		}
		var m metadata
		if s.metadata(&m); s.bad {
			return
		}
	}
}

func (s *scanner) metadata(m *metadata) {
	from := s.at
	created, updated := s.u64(), s.u64()
	m.times = s.data[from:s.at]
	s.action.latest = max(s.action.latest, created, updated)
	if s.form.storage {
		from = s.at
		s.storage(m)
		m.storage = s.data[from:s.at]
	}
	if s.form.types != "" && s.option() {
		from = s.at
		s.crdtType()
		m.crdt = s.data[from:s.at]
	}
	if s.form.field && s.option() {
		m.field = s.str()
	}
	if s.form.schema && s.option() {
		m.schema = s.take(4)
	}
}

func (s *scanner) crdtType() {
	tag := int(s.u8())
	if tag >= len(s.form.types) {
		s.fail()
		return
	}
	for range s.form.types[tag] - '0' {
		s.str()
	}
}

func (s *scanner) storage(m *metadata) {
	m.kind = s.u8()
	switch {
	case m.kind == storagePublic, m.kind == storageFrozen:
	case m.kind == storageUser:
		m.owner = s.take(keySize)
		s.signature(m)
	case m.kind == storageShared && s.form.shared != sharedNone:
		s.writers(m)
		s.signature(m)
	case m.kind == storageMember && s.form.member:
		m.anchor = s.take(idSize)
		s.signature(m)
	default:
		s.fail()
	}
}

// writers reads a sorted set or map, as borsh writes them.
func (s *scanner) writers(m *metadata) {
	size := keySize
	if s.form.shared == sharedMap {
		size++
	}
	from := s.at
	var last []byte
	for range s.count(size) {
		key := s.take(size)[:keySize] // count has seen that they are there
		if last != nil && bytes.Compare(last, key) >= 0 {
			s.fail()
			return
		}
		if last = key; !s.bare {
			m.keys = append(m.keys, key)
		}
	}
	m.writers = s.data[from:s.at]
}

func (s *scanner) signature(m *metadata) {
	if !s.option() {
		return
	}
	m.sign = s.at
	s.take(signatureSize)
	m.nonce = s.at
	s.action.latest = max(s.action.latest, s.u64())
	if s.form.signer {
		from := s.at
		if s.option() {
			s.take(keySize)
		}
		m.signer = s.data[from:s.at]
	}
}
