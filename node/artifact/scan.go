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
}

// scanner reads the actions of an artifact in one form.
type scanner struct {
	reader
	form   *form
	action action
}

// scan visits the actions of an artifact, and reports whether all of it has the
// form. What was visited is worth nothing if not.
func scan(artifact []byte, f *form, visit func(*action)) bool {
	s := &scanner{reader: reader{data: artifact}, form: f}
	if s.u8() != 0 { // a list of actions; see the package documentation
		return false
	}
	for range s.count(1 + idSize) {
		if s.readAction(); s.bad {
			return false
		}
		visit(&s.action)
	}
	return !s.bad && s.at == len(s.data)
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
		s.action.links = append(s.action.links, s.take(idSize+hashSize))
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
		s.crdtType()
	}
	if s.form.field && s.option() {
		s.str()
	}
	if s.form.schema && s.option() {
		s.u32()
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
	for range s.count(size) {
		entry := s.take(size)
		if s.bad {
			return
		}
		key := entry[:keySize]
		if n := len(m.keys); n > 0 && bytes.Compare(m.keys[n-1], key) >= 0 {
			s.fail()
			return
		}
		m.keys = append(m.keys, key)
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
