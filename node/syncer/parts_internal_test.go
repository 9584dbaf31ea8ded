package syncer

import (
	"errors"
	"testing"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/wire"
)

func TestCompareVectors(t *testing.T) {
	tip := func(author byte, seq uint64, id byte) wire.Tip {
		return wire.Tip{Author: ident.PublicKey{author}, Seq: seq, ID: delta.ID{author, id}}
	}
	for _, tt := range []struct {
		name         string
		ours, theirs []wire.Tip
		mine, other  uint64
		writers      int
	}{
		{name: "nothing"},
		{"the same", []wire.Tip{tip(1, 3, 3)}, []wire.Tip{tip(1, 3, 3)}, 0, 0, 0},
		{"they lack a writer", []wire.Tip{tip(1, 3, 3), tip(2, 5, 5)}, []wire.Tip{tip(1, 3, 3)}, 5, 0, 1},
		{"both lack some", []wire.Tip{tip(1, 3, 3), tip(2, 5, 5)}, []wire.Tip{tip(1, 7, 7), tip(2, 1, 1)}, 4, 4, 2},
		{"a fork", []wire.Tip{tip(1, 3, 3)}, []wire.Tip{tip(1, 3, 4)}, 1, 1, 1},
		{"a fork of which one knows both", []wire.Tip{tip(1, 3, 3), tip(1, 4, 4)}, []wire.Tip{tip(1, 3, 3)}, 1, 0, 1},
	} {
		writers, mine, other := compareVectors(tt.ours, tt.theirs, 10)
		if mine != tt.mine || other != tt.other || len(writers) != tt.writers {
			t.Errorf("%s: %d here, %d there, %d writers; want %d, %d, %d", tt.name, mine, other, len(writers), tt.mine, tt.other, tt.writers)
		}
	}
}

// sealed makes a delta with so many bytes of payload.
func sealed(t testing.TB, size int) *delta.Delta {
	t.Helper()
	payload, err := delta.EncodeState(delta.State{Artifact: make([]byte, size)})
	if err != nil {
		t.Fatal(err)
	}
	key := ident.NewPrivateKey()
	d, err := delta.Seal(delta.Header{
		Context: ident.ContextID{1}, Kind: delta.KindState, Parents: []delta.ID{{1}}, Author: key.Public(), Seq: 2, Time: delta.Tick,
	}, payload, delta.NewEpochKey(), nil, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestOutbox: what waits is published in order, in messages that are within the
// limits, large deltas by their ids.
func TestOutbox(t *testing.T) {
	var o outbox
	var want []delta.ID
	add := func(size int) {
		d := sealed(t, size)
		o.list = append(o.list, d)
		o.bytes += len(d.Bytes())
		want = append(want, d.ID())
	}
	for range 2*wire.MaxPublish + 1 {
		add(10)
	}
	add(wire.MaxPublishBytes) // with its frame it is too large
	add(wire.MaxPublishBytes - 1000)
	add(2000)
	add(10)
	var got []delta.ID
	var kinds []wire.Kind
	for {
		m, n := o.take()
		if m == nil {
			break
		}
		if _, err := wire.Encode(m); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, m.Kind())
		switch m := m.(type) {
		case *wire.Announce:
			got = append(got, m.IDs...)
		case *wire.Publish:
			for _, e := range m.Envelopes {
				_, id, err := delta.Inspect(e)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, id)
			}
		}
		if n == 0 {
			t.Fatal("a message of nothing")
		}
	}
	if len(got) != len(want) || o.bytes != 0 {
		t.Fatalf("%d of %d published, %d bytes left", len(got), len(want), o.bytes)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("number %d is out of order", i)
		}
	}
	if len(kinds) != 6 || kinds[3] != wire.KindAnnounce {
		t.Errorf("messages of kinds %v, want 3 of deltas, an announcement, 2 of deltas", kinds)
	}
}

// FuzzGossip: no message makes the validator panic, and what it takes are deltas of
// the context.
func FuzzGossip(f *testing.F) {
	d := sealed(f, 10)
	for _, m := range []wire.Message{&wire.Publish{Envelopes: [][]byte{d.Bytes()}}, &wire.Announce{IDs: []delta.ID{d.ID()}}, &wire.Ack{}} {
		data, err := wire.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parcels, err := openGossip(ident.ContextID{1}, data)
		for _, p := range parcels {
			if p.Header.Context != (ident.ContextID{1}) {
				t.Errorf("a delta of context %s", p.Header.Context)
			}
		}
		if err == nil && len(parcels) == 0 {
			if m, err := wire.Decode(data); err != nil || m.Kind() != wire.KindAnnounce {
				t.Errorf("nothing came of %x", data)
			}
		}
	})
}

// FuzzVectors: whatever vector comes is put into the graph's order, and compared
// without harm.
func FuzzVectors(f *testing.F) {
	known := wire.Known{Tips: []wire.Tip{{Author: ident.PublicKey{1}, Seq: 1}, {Author: ident.PublicKey{1}, Seq: 1}}}
	data, err := wire.Encode(&known)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := wire.Decode(data)
		if err != nil {
			return
		}
		known, ok := m.(*wire.Known)
		if !ok {
			return
		}
		tips := fromWire(known.Tips)
		for i := 1; i < len(tips); i++ {
			if tips[i-1].Writer.Compare(tips[i].Writer) > 0 {
				t.Error("not in order")
			}
			if tips[i-1] == tips[i] {
				t.Error("a tip twice")
			}
		}
		compareVectors(known.Tips, nil, 10)
		if !isSame(known, known) && len(known.Missing) == 0 {
			t.Error("not the same as itself")
		}
	})
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for key, change := range map[string]func(*Config){
		"sync.check": func(c *Config) { c.Check = 0 }, "sync.interval": func(c *Config) { c.Interval = -1 },
		"sync.timeout": func(c *Config) { c.Timeout = time.Millisecond }, "sync.heartbeat": func(c *Config) { c.Heartbeat = 0 },
		"sync.sessions": func(c *Config) { c.Sessions = 0 }, "sync.retry_max": func(c *Config) { c.RetryMax = time.Second },
		"sync.discovery": func(c *Config) { c.Discovery = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || err.Error()[:len(key)] != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestRefusedErrorIsPrintable(t *testing.T) {
	for in, want := range map[string]string{"a\x1b[31mb": "a[31mb", "\xff\xfe": "", "ok": "ok", "line\nfeed": "linefeed"} {
		if got := printable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	var refused *RefusedError
	if !errors.As(error(&RefusedError{Code: 4}), &refused) || refused.Error() == "" {
		t.Error("a refusal without words says nothing")
	}
}

// TestClockOfEachMember: a member has one clock, however many nodes it binds, so that it can
// not make this node refuse to write.
func TestClockOfEachMember(t *testing.T) {
	s := &Syncer{deps: Deps{Wall: time.Now}, began: time.Now(), peers: make(map[string]*peer)}
	tell := func(id string, member byte, ahead time.Duration) {
		p := &peer{id: id, connected: true, speaks: ident.PublicKey{member}}
		s.peers[id] = p
		s.hear(p, uint64(time.Now().Add(ahead).UnixMilli()), time.Now())
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		tell(id, 1, time.Hour)
	}
	if skew, known := s.Skew(); known {
		t.Errorf("this node's clock and one member's: off by %s", skew)
	}
	tell("e", 2, 0)
	if skew, known := s.Skew(); !known || skew.Abs() > time.Second {
		t.Errorf("two members, one of whom lies: off by %s, known %v", skew, known)
	}
	tell("f", 3, time.Hour)
	tell("g", 4, time.Hour)
	if skew, known := s.Skew(); !known || (skew+time.Hour).Abs() > time.Second {
		t.Errorf("three of four members are an hour ahead: off by %s, known %v", skew, known)
	}
}
