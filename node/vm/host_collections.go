package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// collectionsModule is the import module of host-managed collections, interface
// version 1. Whoever imports it keeps all replicated state there.
const collectionsModule = "mero"

// Limits of the functions of module "mero".
const (
	// maxHanded is the most bytes of one argument, and of one result.
	maxHanded = 4 << 20
	// maxItems and maxItemBytes bound what one scan gives; a single item may be
	// larger.
	maxItems     = 4096
	maxItemBytes = 1 << 20
)

// costWork is the price of a unit of Collections.Work, about 0.06 µs.
const costWork = 2_000

// collectionFuncs are the functions of module "mero". Pointers and lengths are
// i32, indices and counts i64. There are no error codes: a call that is wrong ends
// the guest. What gives bytes gives their number, -1 for none, and the guest gets
// them by take. An empty key means a register.
func collectionFuncs() []hostFunc {
	return []hostFunc{
		{name: "open", pointer: "iiiii:i", call: collection(func(g *guest, c Collections) (uint64, error) {
			parent, key := g.ref(), g.handed()
			ref, err := c.Open(parent, key, g.small(), g.small())
			return uint64(uint32(ref)), err
		})},
		{name: "open_at", pointer: "iIii:i", call: collection(func(g *guest, c Collections) (uint64, error) {
			ref, err := c.OpenAt(g.ref(), int64(g.arg()), g.small(), g.small())
			return uint64(uint32(ref)), err
		})},
		{name: "insert_open", pointer: "iIii:i", call: collection(func(g *guest, c Collections) (uint64, error) {
			ref, err := c.InsertOpen(g.ref(), int64(g.arg()), g.small(), g.small())
			return uint64(uint32(ref)), err
		})},
		{name: "kind", pointer: "iii:i", call: collection(func(g *guest, c Collections) (uint64, error) {
			kind, err := c.KindOf(g.ref(), g.handed())
			return uint64(kind), err
		})},
		{name: "kind_at", pointer: "iI:i", call: collection(func(g *guest, c Collections) (uint64, error) {
			kind, err := c.KindAt(g.ref(), int64(g.arg()))
			return uint64(kind), err
		})},
		{name: "len", pointer: "i:I", call: collection(func(g *guest, c Collections) (uint64, error) {
			n, err := c.Len(g.ref())
			return uint64(n), err
		})},
		{name: "take", pointer: "i:", call: collection(func(g *guest, _ Collections) (uint64, error) {
			copy(g.view(uint64(uint32(g.arg())), uint64(len(g.handing))), g.handing)
			return 0, nil
		})},
		{name: "get", pointer: "iii:I", call: collection(getEntry)},
		{name: "put", pointer: "iiiii:", call: collection(func(g *guest, c Collections) (uint64, error) {
			ref, key, value := g.ref(), g.handed(), g.handed()
			if len(key) == 0 {
				return 0, c.Store(ref, value)
			}
			return 0, c.Put(ref, key, value)
		})},
		{name: "remove", pointer: "iii:i", call: collection(removeEntry)},
		{name: "has", pointer: "iii:i", call: collection(func(g *guest, c Collections) (uint64, error) {
			ref, key := g.ref(), g.handed()
			if len(key) == 0 {
				_, ok, err := c.Load(ref)
				return bit(ok), err
			}
			ok, err := c.Has(ref, key)
			return bit(ok), err
		})},
		{name: "add", pointer: "iii:i", call: collection(func(g *guest, c Collections) (uint64, error) {
			isNew, err := c.Add(g.ref(), g.handed())
			return bit(isNew), err
		})},
		{name: "count", pointer: "i:I", call: collection(func(g *guest, c Collections) (uint64, error) {
			n, err := c.Count(g.ref())
			return uint64(n), err
		})},
		{name: "increase", pointer: "iI:", call: collection(func(g *guest, c Collections) (uint64, error) {
			return 0, c.Increase(g.ref(), int64(g.arg()))
		})},
		{name: "scan", pointer: "iiiiii:I", call: collection(scanEntries)},
	}
}

// sequenceFuncs are those for lists and texts.
func sequenceFuncs() []hostFunc {
	return []hostFunc{
		{name: "get_at", pointer: "iI:I", call: collection(func(g *guest, c Collections) (uint64, error) {
			value, err := c.At(g.ref(), int64(g.arg()))
			if err != nil {
				return 0, err
			}
			return g.hand(value), nil
		})},
		{name: "insert_at", pointer: "iIii:", call: collection(func(g *guest, c Collections) (uint64, error) {
			return 0, c.Insert(g.ref(), int64(g.arg()), g.handed())
		})},
		{name: "put_at", pointer: "iIii:", call: collection(func(g *guest, c Collections) (uint64, error) {
			return 0, c.SetAt(g.ref(), int64(g.arg()), g.handed())
		})},
		{name: "remove_at", pointer: "iII:", call: collection(func(g *guest, c Collections) (uint64, error) {
			return 0, c.RemoveAt(g.ref(), int64(g.arg()), int64(g.arg()))
		})},
		{name: "text_insert", pointer: "iIii:", call: collection(func(g *guest, c Collections) (uint64, error) {
			return 0, c.InsertText(g.ref(), int64(g.arg()), string(g.handed()))
		})},
		{name: "text_slice", pointer: "iII:I", call: collection(func(g *guest, c Collections) (uint64, error) {
			ref, from, n := g.ref(), int64(g.arg()), int64(g.arg())
			if n > maxHanded {
				return 0, misuse("%d code points of a text at a time, where %d are the most", n, maxHanded)
			}
			s, err := c.Slice(ref, from, n)
			if err != nil {
				return 0, err
			}
			return g.hand([]byte(s)), nil
		})},
		{name: "items", pointer: "iII:I", call: collection(func(g *guest, c Collections) (uint64, error) {
			items, err := c.Items(g.ref(), int64(g.arg()), min(int64(g.arg()), maxItems))
			if err != nil {
				return 0, err
			}
			return g.hand(encodeItems(items)), nil
		})},
	}
}

// collection makes a host function of one that works on the call's collections:
// the guest pays for the work, and learns of an error by its end.
func collection(f func(g *guest, c Collections) (result uint64, err error)) func(context.Context, *guest) {
	return func(_ context.Context, g *guest) {
		c := g.Collections
		if c == nil {
			stop(&Error{Kind: KindForbidden, Message: "there are no collections in this call"})
		}
		before := c.Work()
		result, err := f(g, c)
		g.charge(costWork * (c.Work() - before))
		var own *Error
		switch {
		case errors.As(err, &own):
			stop(own)
		case err != nil:
			stop(hostFault(err))
		}
		if len(g.stack) > 0 {
			g.result(result)
		}
	}
}

func getEntry(g *guest, c Collections) (uint64, error) {
	ref, key := g.ref(), g.handed()
	read := c.Get
	if len(key) == 0 {
		read = func(ref int32, _ []byte) ([]byte, bool, error) { return c.Load(ref) }
	}
	value, ok, err := read(ref, key)
	if err != nil || !ok {
		g.hand(nil)
		return ^uint64(0), err
	}
	return g.hand(value), nil
}

func removeEntry(g *guest, c Collections) (uint64, error) {
	ref, key := g.ref(), g.handed()
	if len(key) > 0 {
		was, err := c.Remove(ref, key)
		return bit(was), err
	}
	_, was, err := c.Load(ref)
	if err != nil {
		return 0, err
	}
	return bit(was), c.Clear(ref)
}

func scanEntries(g *guest, c Collections) (uint64, error) {
	ref, after, upTo := g.ref(), g.handed(), g.handed()
	limit := uint32(g.arg())
	if len(after) == 0 {
		after = nil
	}
	if len(upTo) == 0 {
		upTo = nil
	}
	items, err := c.Scan(ref, after, upTo, int(min(limit, maxItems)))
	if err != nil {
		return 0, err
	}
	return g.hand(encodeItems(items)), nil
}

// encodeItems writes items as the guest reads them, and leaves out what is too
// much: only an empty answer says that there is no more.
func encodeItems(items []CollectionItem) (out []byte) {
	for i := range items {
		item := &items[i]
		if i > 0 && len(out)+len(item.Key)+len(item.Value)+9 > maxItemBytes {
			break
		}
		out = append(out, item.Kind)
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(item.Key))), item.Key...)
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(item.Value))), item.Value...)
	}
	return out
}

// ref is the next argument as a handle.
func (g *guest) ref() int32 { return int32(g.arg()) }

// small is the next argument as a kind or flags.
func (g *guest) small() uint8 {
	v := uint32(g.arg())
	if v > 255 {
		stop(misuse("%d is no kind and no flags", v))
	}
	return uint8(v)
}

// handed is a copy of the bytes that the next two arguments are.
func (g *guest) handed() []byte {
	view := g.view(uint64(uint32(g.arg())), uint64(uint32(g.arg())))
	if len(view) > maxHanded {
		stop(misuse("%d bytes at a time, where %d are the most", len(view), maxHanded))
	}
	return bytes.Clone(view)
}

// hand keeps bytes for take, and gives their number.
func (g *guest) hand(b []byte) uint64 {
	if len(b) > maxHanded {
		stop(misuse("a result of %d bytes, where %d are the most", len(b), maxHanded))
	}
	g.charge(costReadByte * uint64(len(b)))
	g.account.add(len(b) - len(g.handing))
	g.handing = b
	return uint64(len(b))
}

func bit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

func misuse(format string, args ...any) *Error {
	return &Error{Kind: KindMisuse, Message: fmt.Sprintf(format, args...)}
}
