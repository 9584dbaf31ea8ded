package env

//go:wasmimport env context_is_member
func contextIsMember(key uint64) uint32

//go:wasmimport env context_members
func contextMembers(register uint64)

// IsMember tells whether a public key is a member of the context. While a delta
// is applied that is at the delta's place in history.
func IsMember(key [32]byte) bool { return contextIsMember(describe(&bufA, key[:])) == 1 }

// Members are the public keys of the context's members.
func Members() [][32]byte {
	contextMembers(register)
	list := fromRegister()
	if len(list) < 4 {
		return nil
	}
	members := make([][32]byte, (len(list)-4)/32)
	for i := range members {
		copy(members[i][:], list[4+32*i:])
	}
	return members
}
