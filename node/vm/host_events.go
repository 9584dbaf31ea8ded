package vm

import (
	"context"
	"strconv"
	"strings"
)

// eventFuncs: logs, events and calls of other contexts.
func eventFuncs() []hostFunc {
	return []hostFunc{
		{name: "log_utf8", pointer: "I:", flat: "II:", call: func(_ context.Context, g *guest) {
			g.logs.add(g.buffer(), text)
		}},
		{name: "js_std_d_print", pointer: "III:i", call: func(_ context.Context, g *guest) {
			_, ptr, size := g.arg(), g.arg(), g.arg()
			g.logs.add(g.view(ptr, size), lossy)
			g.result(0)
		}},
		{name: "emit", pointer: "I:", flat: "IIII:", call: func(_ context.Context, g *guest) {
			g.events = append(g.events, g.event())
		}},
		{name: "emit_with_handler", pointer: "II:", call: func(_ context.Context, g *guest) {
			event := g.event()
			handler := g.optionalBuffer()
			if len(handler) > maxHandlerNameSize {
				stop(limit("event handler size overflow"))
			}
			g.account.add(len(handler))
			event.Handler = text(handler)
			g.events = append(g.events, event)
		}},
		{name: "xcall", pointer: "I:", outside: true, call: xcall},
	}
}

// recordOverhead is about what an event, an xcall or a context operation costs
// beside its bytes.
const recordOverhead = 192

func lossy(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// event reads an Event, checking in the order of wasm-abi 1.5.
func (g *guest) event() Event {
	w := g.words(4)
	switch {
	case w[1] > maxEventKindSize:
		stop(limit("event kind size overflow"))
	case w[3] > maxEventDataSize:
		stop(limit("event data size overflow"))
	case len(g.events) >= maxEvents:
		stop(limit("events overflow"))
	}
	kind, data := g.view(w[0], w[1]), g.view(w[2], w[3])
	g.account.add(len(kind) + len(data) + recordOverhead)
	return Event{Kind: text(kind), Data: append([]byte{}, data...)}
}

func xcall(_ context.Context, g *guest) {
	w := g.words(6)
	switch {
	case w[3] > maxXCallFunction:
		stop(limit("xcall function size overflow"))
	case w[5] > maxXCallParams:
		stop(limit("xcall params size overflow"))
	case len(g.xcalls) >= maxXCalls:
		stop(limit("xcalls overflow"))
	case w[1] != 32:
		stop(trap(msgMemory))
	}
	g.account.add(int(w[3]+w[5]) + recordOverhead)
	x := XCall{Function: text(g.view(w[2], w[3])), Params: append([]byte{}, g.view(w[4], w[5])...)}
	copy(x.Context[:], g.view(w[0], 32))
	g.xcalls = append(g.xcalls, x)
}

func invalidRegister(id uint64) *Error {
	return trap("invalid register id: " + strconv.FormatUint(id, 10))
}
