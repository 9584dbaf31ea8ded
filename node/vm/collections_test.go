package vm_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/hosted/hostedtest"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// newHosted is a call on collections.
func newHosted(state *hostedtest.State) *hosted.Tx {
	return hosted.Begin(state, delta.Writer{Author: [32]byte{1}}, 1<<32)
}

// TestCollections: every function of module "mero", by a guest in Go, over what
// two calls leave.
func TestCollections(t *testing.T) {
	t.Parallel()
	m, err := newEngine(t, "").Compile(t.Context(), apptest.BuildPackage(t, "mero/node/vm/testdata/apps/collections"))
	if err != nil {
		t.Fatal(err)
	}
	if !m.HostManaged() {
		t.Error("the application is not host-managed")
	}
	kv := hostedtest.New()
	for _, calls := range [][][2]string{{
		{"kind 0 name", "0"},
		{"open 0 name 1 0", "1"},
		{"get 1 -", "none"},
		{"has 1 -", "0"},
		{"remove 1 -", "0"},
		{"put 1 - alice", ""},
		{"get 1 -", `"alice"`},
		{"has 1 -", "1"},
		{"open 0 notes 2 0", "2"},
		{"put 2 a one", ""},
		{"put 2 b -", ""},
		{"put 2 c three", ""},
		{"get 2 a", `"one"`},
		{"get 2 b", `""`},
		{"get 2 d", "none"},
		{"len 2", "3"},
		{"has 2 a", "1"},
		{"has 2 d", "0"},
		{"remove 2 c", "1"},
		{"remove 2 c", "0"},
		{"open 2 in 3 0", "3"},
		{"add 3 x", "1"},
		{"add 3 x", "0"},
		{"has 3 x", "1"},
		{"len 3", "1"},
		{"kind 2 in", "3"},
		{"kind 2 a", "255"},
		{"scan 2 - - 10", "255:a=one 255:b= 3:in="},
		{"scan 2 a - 10", "255:b= 3:in="},
		{"scan 2 - b 10", "255:a=one"},
		{"scan 2 - - 1", "255:a=one"},
		{"scan 3 - - 9", "255:x="},
		{"scan 2 zz - 9", ""},
		{"scan 2 - - 0", ""},
		{"open 0 hits 4 0", "4"},
		{"increase 4 5", ""},
		{"increase 4 -7", ""},
		{"count 4", "-2"},
		{"open 0 list 5 0", "5"},
		{"insert_at 5 0 first", ""},
		{"insert_at 5 1 third", ""},
		{"insert_at 5 1 second", ""},
		{"get_at 5 1", `"second"`},
		{"put_at 5 1 SECOND", ""},
		{"get_at 5 1", `"SECOND"`},
		{"insert_open 5 3 4 0", "6"},
		{"increase 6 3", ""},
		{"kind_at 5 3", "4"},
		{"kind_at 5 0", "255"},
		{"items 5 0 4", "255:=first 255:=SECOND 255:=third 4:="},
		{"remove_at 5 0 1", ""},
		{"len 5", "3"},
		{"open 0 text 6 0", "7"},
		{"text_insert 7 0 héllo", ""},
		{"text_insert 7 5 !", ""},
		{"text_slice 7 1 2", `"él"`},
		{"remove_at 7 0 2", ""},
		{"len 7", "4"},
	}, {
		{"open 0 name 1 0", "1"},
		{"get 1 -", `"alice"`},
		{"remove 1 -", "1"},
		{"get 1 -", "none"},
		{"open 0 list 5 0", "2"},
		{"open_at 2 2 4 0", "3"},
		{"count 3", "3"},
		{"open 0 text 6 0", "4"},
		{"text_slice 4 0 4", `"llo!"`},
		{"open 0 big 2 0", "5"},
		{"put 5 k big:1000000", ""},
		{"get 5 k", "1000000 bytes"},
		{"fill 5 0 5000 10", ""},
		{"scan 5 - - 5000", "4096 items, 106496 bytes"},
		{"scan 5 1004094 - -1", "906 items, 1023540 bytes"},
	}} {
		h := newHosted(kv)
		var input, want []string
		for _, c := range calls {
			input, want = append(input, c[0]), append(want, c[1])
		}
		out, err := m.Run(t.Context(), vm.Call{Method: "do", Input: []byte(strings.Join(input, "\n")), Collections: h, Time: 1 << 32})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(string(out.Output), "\n")
		for i := range calls {
			if i >= len(got) || got[i] != want[i] {
				t.Errorf("%s: got %q, want %q", input[i], got[min(i, len(got)-1)], want[i])
			}
		}
		writes, err := h.Writes()
		if err != nil {
			t.Fatal(err)
		}
		kv.Apply(writes)
	}
}

// TestCollectionsMisuse: what is wrong ends the call, and says whose fault it is.
func TestCollectionsMisuse(t *testing.T) {
	t.Parallel()
	m, err := newEngine(t, "").Compile(t.Context(), apptest.BuildPackage(t, "mero/node/vm/testdata/apps/collections"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		input string
		kind  vm.Kind
		text  string
		state vm.Collections
	}{
		{input: "open 0 m 2 0\nincrease 1 1", kind: vm.KindMisuse, text: "'m' is a map"},
		{input: "len 77", kind: vm.KindMisuse, text: "77"},
		{input: "len -1", kind: vm.KindMisuse},
		{input: "open 0 m 99 0", kind: vm.KindMisuse},
		{input: "open 0 m 256 0", kind: vm.KindMisuse, text: "256 is no kind"},
		{input: "open 0 m 2 -1", kind: vm.KindMisuse, text: "4294967295 is no kind and no flags"},
		{input: "open 0 m 2 7", kind: vm.KindMisuse},
		{input: "open 0 l 5 0\nget_at 1 0", kind: vm.KindMisuse},
		{input: "open 0 l 5 0\nget_at 1 -1", kind: vm.KindMisuse},
		{input: "open 0 l 5 0\nitems 1 0 -1", kind: vm.KindMisuse},
		{input: "open 0 l 5 0\nitems 1 9223372036854775807 9223372036854775807", kind: vm.KindMisuse},
		{input: "open 0 l 5 0\nremove_at 1 0 9223372036854775807", kind: vm.KindMisuse},
		{input: "open 0 x 6 0\ntext_slice 1 0 9223372036854775807", kind: vm.KindMisuse, text: "4194304 are the most"},
		{input: "open 0 x 6 0\ntext_insert 1 0 \xff", kind: vm.KindMisuse, text: "UTF-8"},
		{input: "open 0 m 2 0\nput 1 k big:1048577", kind: vm.KindMisuse, text: "1048576"},
		{input: "open 0 m 2 0\nput 1 k big:4194305", kind: vm.KindMisuse, text: "4194305 bytes at a time"},
		{input: "open 0 m 2 0\nput 1 k v", kind: vm.KindMisuse, text: "read-only", state: hosted.BeginReadOnly(hostedtest.New())},
		{input: "open 0 m 2 0", kind: vm.KindHost, text: "disk on fire", state: newHosted(&hostedtest.State{Failing: errors.New("disk on fire")})},
		{input: "len 0", kind: vm.KindForbidden, text: "no collections"},
	} {
		call := vm.Call{Method: "do", Input: []byte(tc.input), Collections: tc.state, Time: 1 << 32}
		if tc.state == nil && tc.kind != vm.KindForbidden {
			call.Collections = newHosted(hostedtest.New())
		}
		_, err := m.Run(t.Context(), call)
		var e *vm.Error
		if !errors.As(err, &e) || e.Kind != tc.kind || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%q: got %v, want %s with %q", tc.input, err, tc.kind, tc.text)
		}
	}
}

// hugeResults gives more than it may.
type hugeResults struct{ vm.Collections }

func (hugeResults) Work() uint64 { return 0 }

func (hugeResults) Load(int32) ([]byte, bool, error) { return make([]byte, 4<<20+1), true, nil }

func (hugeResults) Scan(int32, []byte, []byte, int) ([]vm.CollectionItem, error) {
	return []vm.CollectionItem{{Key: []byte("a"), Value: make([]byte, 2<<20)}, {Key: []byte("b")}}, nil
}

func (hugeResults) Len(ref int32) (int64, error) { return int64([]int{}[ref]), nil }

// probe is what a guest asked for, and what it took to answer.
type probe struct {
	hugeResults
	t    *testing.T
	work uint64
	done uint64
}

func (a *probe) Work() uint64 { return a.done }

func (a *probe) Scan(_ int32, after, upTo []byte, limit int) ([]vm.CollectionItem, error) {
	a.done += a.work
	if after != nil || upTo != nil || limit != 4096 {
		a.t.Errorf("a scan of all came as %v to %v, %d items; want open bounds and 4096", after, upTo, limit)
	}
	return nil, nil
}

func (a *probe) Items(_ int32, from, n int64) ([]vm.CollectionItem, error) {
	a.done += a.work
	if from != 5 || n != 4096 {
		a.t.Errorf("%d items were asked for from %d, want 4096 from 5", n, from)
	}
	return nil, nil
}

// TestCollectionsBorder: addresses of the guest's are checked, what the host holds
// is bounded, and a bug of the host is the host's.
func TestCollectionsBorder(t *testing.T) {
	t.Parallel()
	p := newProgram()
	open, put := p.impFrom("mero", "open", "iiiii:i"), p.impFrom("mero", "put", "iiiii:")
	get, take := p.impFrom("mero", "get", "iii:I"), p.impFrom("mero", "take", "i:")
	items := p.impFrom("mero", "items", "iII:I")
	scan, length, ret := p.impFrom("mero", "scan", "iiiiii:I"), p.impFrom("mero", "len", "i:I"), p.imp("value_return", "I:")
	invoke := func(f int, args ...int32) (code []byte) {
		for _, a := range args {
			code = append(code, i32c(a)...)
		}
		return append(code, 0x10, byte(f))
	}
	out := p.put(make([]byte, 8))
	register := drop(invoke(open, 0, dataBase+8, 4, 1, 0))
	p.put([]byte("name"))
	p.fn("open_beyond", drop(invoke(open, 0, 65_534, 4, 1, 0)))
	p.fn("open_length", drop(invoke(open, 0, 0, -1, 1, 0)))
	p.fn("put_beyond", invoke(put, 0, 0, 1, -4, 8))
	p.fn("take_beyond", register, invoke(put, 1, 0, 0, 0, 16), drop(invoke(get, 1, 0, 0)), invoke(take, 65_530))
	p.fn("take_nothing", invoke(take, 65_536))
	p.fn("take_stale", register, invoke(put, 1, 0, 0, int32(out), 8), drop(invoke(get, 1, 0, 0)),
		drop(invoke(open, 0, dataBase+8, 3, 1, 0)), drop(invoke(get, 2, 0, 0)), invoke(take, 65_536))
	p.fn("huge", drop(invoke(get, 0, 0, 0)))
	p.fn("long", store64(out, invoke(scan, 0, 0, 0, 0, 0, 9)), call(ret, p.desc(0, out, 8)))
	p.fn("all", drop(invoke(scan, 0, 0, 0, 0, 0, -1)), drop(join(i32c(0), i64c(5), i64c(1<<62), []byte{0x10, byte(items)})))
	p.fn("bug", drop(invoke(length, 0)))
	m := compile(t, p)
	for method, tc := range map[string]struct {
		kind  vm.Kind
		state vm.Collections
	}{
		"open_beyond":  {kind: vm.KindTrap},
		"open_length":  {kind: vm.KindTrap},
		"put_beyond":   {kind: vm.KindTrap},
		"take_beyond":  {kind: vm.KindTrap},
		"take_nothing": {},
		"take_stale":   {},
		"huge":         {kind: vm.KindMisuse, state: hugeResults{}},
		"long":         {state: hugeResults{}},
		"bug":          {kind: vm.KindHost, state: hugeResults{}},
	} {
		if tc.state == nil {
			tc.state = newHosted(hostedtest.New())
		}
		got, err := m.Run(t.Context(), vm.Call{Method: method, Collections: tc.state})
		var e *vm.Error
		if tc.kind == 0 && err != nil || tc.kind != 0 && (!errors.As(err, &e) || e.Kind != tc.kind) {
			t.Errorf("%s: got %v, want kind %s", method, err, tc.kind)
		}
		if want := uint64(2<<20 + 10); method == "long" && err == nil && binary.LittleEndian.Uint64(got.Output) != want {
			t.Errorf("a scan of a large and a small item gave %d bytes, want %d, the first alone", binary.LittleEndian.Uint64(got.Output), want)
		}
	}
	var fuel [2]uint64
	for i := range fuel {
		out, err := m.Run(t.Context(), vm.Call{Method: "all", Collections: &probe{t: t, work: uint64(1000 * i)}})
		if err != nil {
			t.Fatal(err)
		}
		fuel[i] = out.Fuel
	}
	if fuel[1]-fuel[0] != 2*1000*2_000 {
		t.Errorf("2 times 1000 units of work cost %d units of fuel", fuel[1]-fuel[0])
	}
}

// TestHostManaged: who is, who cannot be, and how an application describes
// itself.
func TestHostManaged(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		imports [][3]string
		custom  []byte
		hosted  bool
		refused string
		about   string
	}{
		"none":        {imports: [][3]string{{"env", "storage_read", "II:i"}, {"env", "commit", "II:"}}},
		"collections": {imports: [][3]string{{"mero", "len", "i:I"}, {"env", "private_storage_read", "II:i"}, {"env", "input", "I:"}}, hosted: true},
		"storage":     {imports: [][3]string{{"mero", "len", "i:I"}, {"env", "storage_read", "II:i"}}, refused: `"storage_read"`},
		"commit":      {imports: [][3]string{{"env", "commit", "II:"}, {"mero", "len", "i:I"}}, refused: `"commit"`},
		"unknown":     {imports: [][3]string{{"mero", "length", "i:I"}}, refused: "mero.length(i32) -> i64"},
		"another":     {imports: [][3]string{{"mero", "len", "I:I"}}, refused: "mero.len(i64) -> i64"},
		"described":   {custom: append(str("mero"), `{"abi":1}`...), about: `{"abi":1}`},
		"too large":   {custom: append(str("mero"), make([]byte, 1<<20+1)...)},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram()
			for _, i := range tc.imports {
				p.impFrom(i[0], i[1], i[2])
			}
			p.fn("run")
			p.custom = tc.custom
			m, err := newEngine(t, "").Compile(t.Context(), p.bytes())
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refused) {
					t.Errorf("got %v, want %q", err, tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.HostManaged() != tc.hosted {
				t.Errorf("HostManaged: %v", m.HostManaged())
			}
			if diff := cmp.Diff(tc.about, string(m.Description())); diff != "" {
				t.Errorf("Description (-want +got):\n%s", diff)
			}
		})
	}
}
