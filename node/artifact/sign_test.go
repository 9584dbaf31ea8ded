package artifact_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"mero/node/artifact"
	"mero/node/ident"
)

// payload is P of wasm-abi 6.5, from the text there.
func payload(l artifact.Layout, s step) []byte {
	u64 := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	nonce := s.meta.updated
	if s.tag == 2 {
		nonce = s.deleted
	}
	var p []byte
	add := func(parts ...[]byte) { p = append(p, bytes.Join(parts, nil)...) }
	version := "v1"
	if l == artifact.L7 {
		version = "v2"
	}
	if s.tag == 2 {
		add([]byte(version+"_delete"), s.id[:], u64(s.deleted))
	} else {
		add([]byte(version+"_upsert"), s.id[:], []byte(s.data))
	}
	st := s.meta.storage
	if version == "v1" {
		if s.tag != 2 {
			for _, a := range s.ancestors {
				add(a.id[:], a.hash[:])
			}
		}
		add(u64(s.meta.created), u64(s.meta.updated))
		st.signature = &signature{nonce: nonce, signer: st.signature.signer}
		w := &writer{layout: l}
		w.storage(st)
		add(w.out)
	} else {
		w := &writer{layout: l}
		w.u8(st.tag + 1) // User 2, Shared 3 is 3, SharedMember 4 is 4
		if st.tag != 1 {
			w.out[0] = st.tag
		}
		if st.tag == 3 {
			w.writers(st.keys)
		} else {
			w.raw(st.keys[0][:])
		}
		w.u8(1)
		w.u64(nonce)
		switch signer := st.signature.signer; {
		case signer != nil:
			w.u8(1)
			w.raw(signer[:])
		case st.tag != 1:
			w.u8(0)
		}
		add(w.out)
	}
	sum := sha256.Sum256(p)
	return sum[:]
}

func TestSign(t *testing.T) {
	key := ident.NewPrivateKey()
	me := [32]byte(key.Public())
	other := bytes32(50)
	parents := []child{{id: bytes32(1), hash: bytes32(2)}, {id: bytes32(3), hash: bytes32(4)}}
	old := &signature{nonce: 77, bytes: [64]byte{1, 2, 3}}
	for name, row := range map[string]struct {
		storage storage
		from    artifact.Layout
		signed  bool
	}{
		"own":                   {storage{1, [][32]byte{me}, &signature{nonce: 5}}, artifact.L3, true},
		"own, signed before":    {storage{1, [][32]byte{me}, old}, artifact.L3, true},
		"own, names me":         {storage{1, [][32]byte{me}, &signature{signer: &me}}, artifact.L6, true},
		"own, not to sign":      {storage{1, [][32]byte{me}, nil}, artifact.L3, false},
		"another's":             {storage{1, [][32]byte{other}, &signature{}}, artifact.L3, false},
		"another's, signed":     {storage{1, [][32]byte{other}, old}, artifact.L3, false},
		"public":                {storage{tag: 0}, artifact.L3, false},
		"frozen":                {storage{tag: 2}, artifact.L3, false},
		"shared with me":        {storage{3, sorted(me, other), &signature{signer: &me}}, artifact.L6, true},
		"shared, unnamed":       {storage{3, sorted(me, other), &signature{}}, artifact.L6, true},
		"shared with others":    {storage{3, sorted(other), &signature{}}, artifact.L6, false},
		"shared, signed":        {storage{3, sorted(me, other), old}, artifact.L6, false},
		"member":                {storage{4, [][32]byte{bytes32(9)}, &signature{signer: &me}}, artifact.L7, true},
		"member, signed":        {storage{4, [][32]byte{bytes32(9)}, old}, artifact.L7, false},
		"member, not to sign":   {storage{4, [][32]byte{bytes32(9)}, nil}, artifact.L7, false},
		"shared, not to sign":   {storage{3, sorted(me), nil}, artifact.L6, false},
		"shared with nobody":    {storage{3, nil, &signature{}}, artifact.L6, false},
		"own, names another":    {storage{1, [][32]byte{me}, &signature{signer: &other}}, artifact.L6, true},
		"another's, names me":   {storage{1, [][32]byte{other}, &signature{signer: &me}}, artifact.L6, false},
		"shared by me, old sig": {storage{3, sorted(me), old}, artifact.L6, false},
	} {
		for _, l := range all() {
			if l < row.from {
				continue
			}
			m := meta{created: 100, updated: 200, storage: row.storage}
			for _, s := range []step{
				{tag: 0, id: bytes32(7), data: "data", ancestors: parents, meta: m},
				{tag: 3, id: bytes32(7), ancestors: parents[:1], meta: m},
				{tag: 2, id: bytes32(7), deleted: 300, meta: m},
			} {
				checkSigned(t, name, l, s, key, row.signed)
			}
		}
	}
}

func sorted(a [32]byte, more ...[32]byte) [][32]byte {
	keys := [][32]byte{a}
	for _, k := range more {
		if bytes.Compare(k[:], a[:]) < 0 {
			keys = append([][32]byte{k}, keys...)
		} else {
			keys = append(keys, k)
		}
	}
	return keys
}

// checkSigned signs an artifact of three actions, of which the middle one is s.
func checkSigned(t *testing.T, name string, l artifact.Layout, s step, key ident.PrivateKey, want bool) {
	t.Helper()
	around := step{tag: 3, id: bytes32(20), data: "root", meta: meta{created: 1, updated: 2}}
	raw := write(l, around, s, around)
	before := bytes.Clone(raw)
	got, n, err := artifact.Sign(raw, key)
	if err != nil || (n == 1) != want || n > 1 {
		t.Errorf("%s, action %d in %s: %d signatures, %v", name, s.tag, l, n, err)
		return
	}
	if !bytes.Equal(raw, before) {
		t.Errorf("%s in %s: Sign changed its input", name, l)
	}
	if !want {
		if !bytes.Equal(got, raw) {
			t.Errorf("%s, action %d in %s: changed without a signature", name, s.tag, l)
		}
		return
	}
	// The same artifact, written with the signature that the payload asks for.
	signed := *s.meta.storage.signature
	signed.nonce = s.meta.updated
	if s.tag == 2 {
		signed.nonce = s.deleted
	}
	copy(signed.bytes[:], ed25519.Sign(ed25519.NewKeyFromSeed(seedOf(key)), payload(l, s)))
	s.meta.storage.signature = &signed
	if !bytes.Equal(got, write(l, around, s, around)) {
		t.Errorf("%s, action %d in %s: another signature or nonce", name, s.tag, l)
	}
	as, m, err := artifact.SignAs(raw, l, key)
	if err != nil || m != n || !bytes.Equal(as, got) {
		t.Errorf("%s in %s: SignAs gives %d, %v", name, l, m, err)
	}
}

func seedOf(key ident.PrivateKey) []byte {
	seed := key.Seed()
	return seed[:]
}

func TestSignLeavesForeignBytesAlone(t *testing.T) {
	key := ident.NewPrivateKey()
	for name, raw := range map[string][]byte{
		"empty": nil, "text": []byte("not an artifact"), "L1": telling(artifact.L1), "no actions": write(artifact.L7),
	} {
		got, n, err := artifact.Sign(raw, key)
		if err != nil || n != 0 || !bytes.Equal(got, raw) {
			t.Errorf("%s: %d signatures, %v", name, n, err)
		}
	}
	for name, row := range map[string]struct {
		raw    []byte
		layout artifact.Layout
	}{
		"another layout": {telling(artifact.L3), artifact.L7},
		"no layout":      {telling(artifact.L3), 0},
		"text":           {[]byte("text"), artifact.L3},
	} {
		got, n, err := artifact.SignAs(row.raw, row.layout, key)
		if !errors.Is(err, artifact.ErrLayout) || n != 0 || !bytes.Equal(got, row.raw) {
			t.Errorf("%s: SignAs gives %d, %v", name, n, err)
		}
	}
	if got, n, err := artifact.SignAs(nil, artifact.L5, key); err != nil || n != 0 || len(got) != 0 {
		t.Errorf("empty: SignAs gives %d, %v", n, err)
	}
}

// In L6 a signature is followed by one byte more than in L5. These bytes fit both:
// the byte that ends the first action in L6 begins the second one in L5, whose data
// hold, moved by one, what L6 wants to see.
func TestSignRefusesToGuess(t *testing.T) {
	key := ident.NewPrivateKey()
	own := meta{updated: 9, storage: storage{tag: 1, keys: [][32]byte{key.Public()}, signature: &signature{}}}
	inner := append(bytes.Repeat([]byte{0}, 1+4+16+2), // data length, ancestors, times, public, no type
		1, 4+16+1+1+1, 0, 0, 0) // a field name that covers the rest of L5
	raw := write(artifact.L5, step{tag: 0, meta: own}, step{tag: 0, data: string(inner)})
	if got := artifact.Layouts(raw); len(got) != 3 {
		t.Fatalf("fits %v, want L4, L5 and L6", got)
	}
	got, n, err := artifact.Sign(raw, key)
	if !errors.Is(err, artifact.ErrAmbiguous) || n != 0 || !bytes.Equal(got, raw) {
		t.Errorf("%d signatures, %v; want ErrAmbiguous", n, err)
	}
	five, n5, err5 := artifact.SignAs(raw, artifact.L5, key)
	six, n6, err6 := artifact.SignAs(raw, artifact.L6, key)
	if n5 != 1 || n6 != 1 || err5 != nil || err6 != nil || bytes.Equal(five, six) {
		t.Errorf("pinned: %d and %d signatures, %v, %v", n5, n6, err5, err6)
	}
}
