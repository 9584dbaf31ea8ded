package vm

import (
	"context"
	"strings"

	"mero/node/vm/meter"
)

// hostFunc is one function of module "env" or "mero". Some of "env" have two types, for the two
// calling conventions, and one implementation: arguments are read through guest,
// which knows the convention that the module's import chose.
type hostFunc struct {
	name string
	// pointer and flat are the types as "parameters:results" with I = i64 and
	// i = i32, as in wasm-abi 1.5; empty: none. A function without structures
	// has the same type in both and only pointer here.
	pointer, flat string
	// outside: it reaches beyond the replicated state (R7).
	outside bool
	call    func(ctx context.Context, g *guest)
}

// hostFuncs are all functions by module and name. JavaScript collections and the
// ordered index are not among them (wasm-abi 1.5: no binary needs them).
func hostFuncs() map[string]map[string]*hostFunc {
	all := map[string]map[string]*hostFunc{}
	for module, groups := range map[string][][]hostFunc{
		envModule:         {coreFuncs(), identityFuncs(), storageFuncs(), eventFuncs(), blobFuncs(), contextFuncs(), systemFuncs()},
		collectionsModule: {collectionFuncs(), sequenceFuncs()},
	} {
		all[module] = map[string]*hostFunc{}
		for _, group := range groups {
			for i := range group {
				all[module][group[i].name] = &group[i]
			}
		}
	}
	return all
}

// match finds the convention that an import of this type means.
func (f *hostFunc) match(t meter.FuncType) (flat, ok bool) {
	switch got := typeLetters(t); got {
	case f.pointer:
		return false, true
	case f.flat:
		return true, true
	default:
		return false, false
	}
}

func typeLetters(t meter.FuncType) string {
	var b strings.Builder
	for _, p := range t.Params {
		b.WriteByte(valueLetter(p))
	}
	b.WriteByte(':')
	for _, r := range t.Results {
		b.WriteByte(valueLetter(r))
	}
	return b.String()
}

func valueLetter(t byte) byte {
	switch t {
	case 0x7e:
		return 'I'
	case 0x7f:
		return 'i'
	default:
		return '?'
	}
}

// coreFuncs: panics, registers, input and output.
func coreFuncs() []hostFunc {
	return []hostFunc{
		{name: "panic", pointer: "I:", flat: "IIii:", call: func(_ context.Context, g *guest) {
			stop(&Error{Kind: KindPanic, Message: "explicit panic", Location: g.location()})
		}},
		{name: "panic_utf8", pointer: "II:", flat: "IIIIii:", call: func(_ context.Context, g *guest) {
			message := text(g.buffer())
			stop(&Error{Kind: KindPanic, Message: message, Location: g.location()})
		}},
		{name: "register_len", pointer: "I:I", call: func(_ context.Context, g *guest) {
			if data, ok := g.register(g.arg()); ok {
				g.result(uint64(len(data)))
			} else {
				g.result(^uint64(0))
			}
		}},
		{name: "read_register", pointer: "II:i", flat: "III:i", call: readRegister},
		{name: "input", pointer: "I:", call: func(_ context.Context, g *guest) {
			g.setRegister(g.arg(), g.Input)
		}},
		{name: "value_return", pointer: "I:", flat: "III:", call: valueReturn},
		{name: "commit", pointer: "II:", flat: "IIII:", call: commit},
	}
}

func readRegister(_ context.Context, g *guest) {
	id := g.arg()
	dest := g.buffer()
	data, ok := g.register(id)
	if !ok {
		stop(invalidRegister(id))
	}
	if len(data) == len(dest) {
		copy(dest, data)
	}
	g.resultBool(len(data) == len(dest))
}

func valueReturn(_ context.Context, g *guest) {
	w := g.words(3)
	if w[0] > 1 {
		stop(trap("deserialization error"))
	}
	if w[2] > maxReturnSize {
		stop(limit("return value size overflow"))
	}
	view := g.view(w[1], w[2])
	g.account.add(len(view) - len(g.value))
	value := append([]byte{}, view...)
	g.returned, g.returnErr, g.value = true, w[0] == 1, value
}

func commit(_ context.Context, g *guest) {
	root := g.id()
	artifact := g.buffer()
	if g.committed {
		stop(trap(msgMemory))
	}
	if len(artifact) > maxArtifactSize {
		stop(limit("artifact size overflow"))
	}
	g.account.add(len(artifact))
	g.committed, g.root, g.artifact = true, root, append([]byte{}, artifact...)
}

// identityFuncs: who and where. mero knows no accounts, so account, device and
// executor are one key (wasm-abi 1.5).
func identityFuncs() []hostFunc {
	executor := func(_ context.Context, g *guest) { g.setRegister(g.arg(), g.Executor[:]) }
	return []hostFunc{
		{name: "executor_id", pointer: "I:", call: executor},
		{name: "account_id", pointer: "I:", call: executor},
		{name: "device_id", pointer: "I:", call: executor},
		{name: "context_id", pointer: "I:", call: func(_ context.Context, g *guest) {
			g.setRegister(g.arg(), g.Context[:])
		}},
		{name: "xcall_origin", pointer: "I:i", call: func(_ context.Context, g *guest) {
			id := g.arg()
			if g.XCallOrigin != nil {
				g.setRegister(id, g.XCallOrigin[:])
			}
			g.resultBool(g.XCallOrigin != nil)
		}},
	}
}

// storageFuncs: replicated and private state.
func storageFuncs() []hostFunc {
	return []hostFunc{
		{name: "storage_read", pointer: "II:i", flat: "III:i", call: func(_ context.Context, g *guest) {
			g.read(&g.state)
		}},
		{name: "storage_write", pointer: "III:i", flat: "IIIII:i", call: func(_ context.Context, g *guest) {
			key, value := g.key(), g.buffer()
			checkValue(value)
			g.chargeWrite(key, value)
			old, had := g.state.set(key, value, true)
			g.evicted(old, had)
		}},
		{name: "storage_remove", pointer: "II:i", flat: "III:i", call: func(_ context.Context, g *guest) {
			g.remove(&g.state)
		}},
		{name: "private_storage_read", pointer: "II:i", outside: true, call: func(_ context.Context, g *guest) {
			g.read(&g.private)
		}},
		{name: "private_storage_write", pointer: "II:i", outside: true, call: func(_ context.Context, g *guest) {
			key, value := g.key(), g.buffer()
			checkValue(value)
			g.chargeWrite(key, value)
			if g.Private != nil {
				g.private.set(key, value, true)
			}
			// 1 also when the key is new; 0 only means that there is no store.
			g.resultBool(g.Private != nil)
		}},
		{name: "private_storage_remove", pointer: "II:i", outside: true, call: func(_ context.Context, g *guest) {
			g.remove(&g.private)
		}},
	}
}

func (g *guest) key() []byte {
	key := g.buffer()
	if len(key) > maxKeySize {
		stop(limit("key length overflow"))
	}
	return key
}

func checkValue(value []byte) {
	if len(value) > maxValueSize {
		stop(limit("value length overflow"))
	}
}

// chargeWrite pays for a write; the overlay may have it, or the store.
func (g *guest) chargeWrite(key, value []byte) {
	g.charge(costWrite + costWriteByte*uint64(len(key)+len(value)))
}

func (g *guest) read(o *overlay) {
	key := g.key()
	g.charge(costRead + costReadByte*uint64(len(key)))
	value, ok := o.get(key)
	g.evicted(value, ok)
}

func (g *guest) remove(o *overlay) {
	key := g.key()
	g.chargeWrite(key, nil)
	old, had := o.set(key, nil, false)
	g.evicted(old, had)
}

// evicted hands a value to the register named by the last argument, if there is
// one, and says so.
func (g *guest) evicted(value []byte, ok bool) {
	g.charge(costReadByte * uint64(len(value)))
	if ok {
		g.setRegister(g.arg(), value)
	}
	g.resultBool(ok)
}
