package vm

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"mero/node/ident"
)

// contextFuncs: contexts and their members. Changes are queued for after the
// call; questions are answered at once (wasm-abi 1.5).
func contextFuncs() []hostFunc {
	return []hostFunc{
		{name: "context_create", pointer: "IIII:", outside: true, call: contextCreate},
		{name: "context_delete", pointer: "I:", outside: true, call: func(_ context.Context, g *guest) {
			g.queue(ContextOp{Kind: ContextDelete, Context: ident.ContextID(g.id())})
		}},
		{name: "context_add_member", pointer: "I:", outside: true, call: func(_ context.Context, g *guest) {
			g.queue(ContextOp{Kind: ContextAddMember, Member: ident.PublicKey(g.id())})
		}},
		{name: "context_remove_member", pointer: "I:", outside: true, call: func(_ context.Context, g *guest) {
			g.queue(ContextOp{Kind: ContextRemoveMember, Member: ident.PublicKey(g.id())})
		}},
		{name: "context_is_member", pointer: "I:i", call: func(_ context.Context, g *guest) {
			key := ident.PublicKey(g.id())
			g.resultBool(g.Members != nil && g.Members.IsMember(key))
		}},
		{name: "context_members", pointer: "I:", call: func(_ context.Context, g *guest) {
			var members []ident.PublicKey
			if g.Members != nil {
				members = g.Members.Members()
			}
			g.charge(costMember * uint64(len(members)))
			list := binary.LittleEndian.AppendUint32(nil, uint32(len(members)))
			for _, m := range members {
				list = append(list, m[:]...)
			}
			g.setRegister(g.arg(), list)
		}},
		{name: "context_resolve_alias", pointer: "II:i", outside: true, call: func(_ context.Context, g *guest) {
			name := text(g.buffer())
			id, ok := g.resolve(name)
			g.evicted(id[:], ok)
		}},
	}
}

func (g *guest) resolve(name string) (ident.ContextID, bool) {
	if g.Aliases == nil {
		return ident.ContextID{}, false
	}
	return g.Aliases.Resolve(name)
}

func (g *guest) queue(op ContextOp) {
	if len(g.ops) >= maxContextOps {
		stop(limit("context operations overflow"))
	}
	g.account.add(len(op.Protocol) + len(op.Params) + len(op.Alias) + recordOverhead)
	g.ops = append(g.ops, op)
}

func contextCreate(_ context.Context, g *guest) {
	protocol := g.buffer()
	op := ContextOp{Kind: ContextCreate, App: ident.AppID(g.id())}
	params := g.buffer()
	if len(protocol)+len(params) > maxContextOpSize {
		stop(limit("context operation size overflow"))
	}
	op.Protocol, op.Params = text(protocol), append([]byte{}, params...)
	op.Alias = g.newAlias(g.optionalBuffer())
	g.queue(op)
}

// newAlias checks an alias for a new context: empty is none.
func (g *guest) newAlias(raw []byte) string {
	if len(raw) > maxAliasSize {
		stop(limit(fmt.Sprintf("alias too long: %d", len(raw))))
	}
	alias := text(raw)
	if alias == "" {
		return ""
	}
	_, taken := g.resolve(alias)
	if taken || slices.ContainsFunc(g.ops, func(op ContextOp) bool { return op.Alias == alias }) {
		stop(trap("alias already exists: " + alias))
	}
	return alias
}

// systemFuncs: cryptography, time, randomness, and what a node without a
// blockchain and an HTTP client can only refuse.
func systemFuncs() []hostFunc {
	return []hostFunc{
		{name: "random_bytes", pointer: "I:", flat: "II:", call: func(_ context.Context, g *guest) {
			g.random(g.buffer())
		}},
		{name: "time_now", pointer: "I:", flat: "II:", call: func(_ context.Context, g *guest) {
			binary.LittleEndian.PutUint64(g.fixed(8), g.now())
		}},
		{name: "ed25519_verify", pointer: "III:i", call: verify},
		{name: "fetch", pointer: "IIIII:i", flat: "IIIIIIIII:i", outside: true, call: func(_ context.Context, g *guest) {
			g.setRegister(g.stack[len(g.stack)-1], []byte("Host function 'fetch' is temporarily disabled."))
			g.result(1)
		}},
		{name: "send_proposal", pointer: "II:", flat: "IIII:", outside: true, call: noChain("send_proposal")},
		{name: "approve_proposal", pointer: "I:", flat: "II:", outside: true, call: noChain("approve_proposal")},
	}
}

func noChain(name string) func(context.Context, *guest) {
	return func(context.Context, *guest) {
		stop(&Error{
			Kind:    KindForbidden,
			Message: "host function '" + name + "' is not supported: proposals need a blockchain, and this node has none",
		})
	}
}
