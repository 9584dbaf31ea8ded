package meter_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/vm/meter"
)

const header = "\x00asm\x01\x00\x00\x00"

// sec is a section.
func sec(id byte, content string) string {
	if len(content) > 127 {
		panic("a section of one byte of length")
	}
	return string([]byte{id, byte(len(content))}) + content
}

// Pieces of modules: the type () -> (), and one function of it.
var (
	types = sec(1, "\x01\x60\x00\x00")
	funcs = sec(3, "\x01\x00")
)

func code(body string) string {
	return sec(10, "\x01"+string([]byte{byte(len(body))})+body)
}

const (
	added = "\x02\x15\x01\x0amero:meter\x06refill\x00\x00"
	// charge is what is put in for a cost below 64, but for its end; the fuel is
	// global 0, the temporary local 0 and the hook function 0.
	charge = "\x23\x00\x42%\x7d\x22\x00\x24\x00\x20\x00\x42\x00\x53\x04\x40\x10\x00\x0b"
)

func charged(cost byte) string { return strings.Replace(charge, "%", string([]byte{cost}), 1) }

// TestRewrite compares the bytes with what was written by hand.
func TestRewrite(t *testing.T) {
	t.Parallel()
	const globals = "\x06\x0c\x02\x7e\x01\x42\x00\x0b\x7e\x01\x42\xec\x0e\x0b"
	const exports = "\x07\x1a\x02\x09mero:fuel\x03\x00\x0amero:depth\x03\x01"
	for name, tc := range map[string]struct{ wasm, want string }{
		"empty": {wasm: "", want: sec(1, "\x01\x60\x00\x00") + added + globals + exports},
		"one function": {
			wasm: types + funcs + code("\x00\x0b"),
			want: types + added + funcs + globals + exports + code("\x01\x01\x7e"+charged(8)+"\x0b"),
		},
		"a loop": {
			wasm: types + funcs + code("\x00\x03\x40\x0c\x00\x0b\x0b"),
			want: types + added + funcs + globals + exports +
				code("\x01\x01\x7e"+charged(8)+"\x03\x40"+charged(12+1)+"\x0c\x00\x0b\x0b"),
		},
		// It calls itself and returns: the index shifts, the depth is counted,
		// and the return ends at the function's last block.
		"a call": {
			wasm: types + funcs + code("\x00\x10\x00\x0f\x0b"),
			want: types + added + funcs + globals + exports + code("\x01\x01\x7e"+
				"\x23\x00\x42\x0a\x7d\x22\x00\x24\x00\x20\x00"+"\x23\x01\x42\x01\x7d\x22\x00\x24\x01\x20\x00"+
				"\x84\x42\x00\x53\x04\x40\x10\x00\x0b"+
				"\x02\x40"+"\x10\x01\x0c\x00\x0b"+"\x23\x01\x42\x01\x7c\x24\x01"+"\x0b"),
		},
		// The mutable one of two is exported.
		"globals": {
			wasm: sec(6, "\x02\x7f\x00\x41\x01\x0b\x7f\x01\x41\x02\x0b"),
			want: types + added + "\x06\x16\x04\x7f\x00\x41\x01\x0b\x7f\x01\x41\x02\x0b\x7e\x01\x42\x00\x0b\x7e\x01\x42\xec\x0e\x0b" +
				"\x07\x2a\x03\x09mero:fuel\x03\x02\x0amero:depth\x03\x03\x0dmero:global:0\x03\x01",
		},
		"names": {
			wasm: types + funcs + code("\x00\x0b") + sec(0, "\x04name\x00\x02\x01m\x01\x04\x01\x00\x01f\x02\x06\x01\x00\x01\x00\x01x") + sec(0, "\x05other"),
			want: types + added + funcs + globals + exports + code("\x01\x01\x7e"+charged(8)+"\x0b") +
				sec(0, "\x04name\x01\x04\x01\x01\x01f"),
		},
		"names that are none": {
			wasm: types + funcs + code("\x00\x0b") + sec(0, "\x04name\x01\x04\x09\x00\x01f"),
			want: types + added + funcs + globals + exports + code("\x01\x01\x7e"+charged(8)+"\x0b"),
		},
		"a float": {
			wasm: types + funcs + code("\x00\x43\x00\x00\x00\x00\x91\x1a\x43\x00\x00\x00\x00\x91\xbc\x1a\x0b"),
			want: types + added + funcs + globals + exports + code("\x02\x01\x7e\x01\x7d"+charged(8+1+16+1+1+16+1+1)+
				"\x43\x00\x00\x00\x00\x91\x1a\x43\x00\x00\x00\x00\x91"+"\x22\x01\x43\x00\x00\xc0\x7f\x20\x01\x20\x01\x5b\x1b"+"\xbc\x1a\x0b"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := meter.Rewrite([]byte(header + tc.wasm))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got.Code, []byte(header+tc.want)); diff != "" {
				t.Errorf("module (-got +want):\n%s", diff)
			}
			plain, err := meter.Check([]byte(header + tc.wasm))
			if err != nil {
				t.Fatal(err)
			}
			if bare, _, _ := strings.Cut(tc.wasm, "\x00\x05other"); !bytes.HasPrefix([]byte(header+bare), plain.Code[:len(plain.Code)/2]) {
				t.Errorf("Check puts something in: %x", plain.Code)
			}
			if _, err := meter.Rewrite(got.Code); err == nil || !strings.Contains(err.Error(), "reserved") {
				t.Errorf("rewritten twice: %v", err)
			}
		})
	}
}

// TestRefused: everything that cannot be metered, or would be valid only by
// what the pass adds, and why (fuel.md, pitfalls 1, 2, 3, 12).
func TestRefused(t *testing.T) {
	t.Parallel()
	memory := sec(5, "\x01\x00\x01")
	body := func(b string) string { return types + funcs + memory + code("\x00"+b+"\x0b") }
	for name, tc := range map[string]struct{ wasm, want string }{
		"vector":               {body("\xfd\x0c" + strings.Repeat("\x00", 16) + "\x1a"), "SIMD"},
		"vector type":          {sec(1, "\x01\x60\x01\x7b\x00"), "SIMD"},
		"vector local":         {types + funcs + code("\x01\x01\x7b\x0b"), "SIMD"},
		"vector global":        {sec(6, "\x01\x7b\x00\xfd\x0c"+strings.Repeat("\x00", 16)+"\x0b"), "SIMD"},
		"tail call":            {body("\x12\x00"), "tail calls"},
		"indirect tail call":   {body("\x13\x00\x00"), "tail calls"},
		"atomic":               {body("\xfe\x03\x00"), "threads"},
		"shared memory":        {sec(5, "\x01\x03\x01\x02"), "threads"},
		"try":                  {body("\x06\x40\x0b"), "exceptions"},
		"throw":                {body("\x08\x00"), "exceptions"},
		"try_table":            {body("\x1f\x40\x00\x0b"), "exceptions"},
		"tag section":          {sec(13, "\x01\x00\x00"), "unknown"},
		"memory64":             {sec(5, "\x01\x04\x01"), "64-bit memory"},
		"two memories":         {sec(5, "\x02\x00\x01\x00\x01"), "more than one memory"},
		"other memory":         {body("\x41\x00\x41\x00\x41\x00\xfc\x0b\x01"), "memory 1"},
		"multi-memory load":    {body("\x41\x00\x28\x42\x00\x00\x1a"), "alignment"},
		"the fuel":             {body("\x42\x00\x24\x00"), "global 0 is out of range"},
		"the fuel as a global": {types + funcs + sec(6, "\x01\x7f\x00\x41\x00\x0b") + code("\x00\x42\x00\x24\x01\x0b"), "global 1 is out of range"},
		"the hook":             {body("\x10\x01"), "function 1 is out of range"},
		"the added type":       {funcs + code("\x00\x0b"), "type 0 is out of range"},
		"an added block type":  {sec(1, "\x01\x60\x00\x02\x7f\x7f") + funcs + code("\x00\x02\x01\x0b\x0b"), "block type 1"},
		"the added local":      {body("\x20\x00\x1a"), "local 0 is out of range"},
		"export of the fuel":   {sec(7, "\x01\x01f\x03\x00"), "global 0 is out of range"},
		"a reserved name":      {types + funcs + sec(7, "\x01\x09mero:fuel\x00\x00") + code("\x00\x0b"), "reserved"},
		"leftover types":       {sec(1, "\x01\x60\x00\x00\x00"), "1 bytes too many"},
		"leftover imports":     {types + sec(2, "\x00\x00"), "too many"},
		"leftover functions":   {types + sec(3, "\x01\x00\x00") + code("\x00\x0b"), "too many"},
		"leftover tables":      {sec(4, "\x01\x70\x00\x00\x00"), "too many"},
		"leftover memories":    {sec(5, "\x01\x00\x01\x00"), "too many"},
		"leftover globals":     {sec(6, "\x01\x7f\x00\x41\x00\x0b\x00"), "too many"},
		"leftover exports":     {sec(7, "\x00\x00"), "too many"},
		"leftover start":       {types + funcs + sec(8, "\x00\x00") + code("\x00\x0b"), "too many"},
		"leftover elements":    {sec(9, "\x00\x00"), "too many"},
		"leftover data count":  {sec(12, "\x00\x00"), "too many"},
		"leftover code":        {types + funcs + sec(10, "\x01\x02\x00\x0b\x00"), "too many"},
		"leftover body":        {types + funcs + code("\x00\x0b\x00"), "1 bytes after the end"},
		"leftover data":        {memory + sec(11, "\x00\x00"), "too many"},
		"2^32 bodies":          {"\x0a\x05\xff\xff\xff\xff\x0f", "declared"},
		"2^32 locals":          {types + funcs + code("\x01\xff\xff\xff\xff\x0f\x7f\x0b"), "locals"},
		"no such type":         {types + sec(3, "\x01\x05"), "type 5 is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := meter.Rewrite([]byte(header + tc.wasm))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := meter.Rewrite([]byte("\x7fELF")); !errors.Is(err, meter.ErrHeader) {
		t.Errorf("no module: %v", err)
	}
}

// TestTotal: what is cut anywhere is refused, and neither that nor any change of
// one byte panics.
func TestTotal(t *testing.T) {
	t.Parallel()
	whole := []byte(header + types + funcs + sec(5, "\x01\x00\x01") +
		code("\x01\x02\x7f\x03\x40\x41\x00\x41\x00\x41\x08\xfc\x0b\x00\x10\x00\x0c\x00\x0b\x0b"))
	if _, err := meter.Rewrite(whole); err != nil {
		t.Fatal(err)
	}
	for i := len(header) + len(types) + 1; i < len(whole); i++ {
		if _, err := meter.Rewrite(whole[:i]); err == nil {
			t.Errorf("cut at %d of %d bytes it is accepted", i, len(whole))
		}
	}
	for i := range whole {
		for b := range 256 {
			changed := bytes.Clone(whole)
			changed[i] = byte(b)
			_, _ = meter.Rewrite(changed)
		}
	}
}
