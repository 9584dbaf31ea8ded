package replica_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/artifact"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
)

// loud puts another set over a home's store, whose log and metrics can be read.
func (h *home) loud() (log *bytes.Buffer, metrics *prometheus.Registry) {
	log, metrics = &bytes.Buffer{}, prometheus.NewRegistry()
	h.set = replica.NewSet(replica.Deps{
		Store: h.store, Apps: h.apps, Blobs: h.blobs, Events: h.bus, Log: zerolog.New(log), Metrics: metrics,
		Wall:     func() time.Time { return h.wall() },
		OnCommit: func(d *delta.Delta) { h.made[d.ID()] = d.Bytes() },
	})
	return log, metrics
}

// count is the value of a counter with a label.
func count(t testing.TB, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// forged is what a test wants to have in an envelope that Seal does not make.
type forged struct {
	version uint64
	kind    uint64
	parents []*delta.Delta
	seq     uint64
	time    delta.Time
	sealed  []byte
	more    []any // header elements of a later version
	ids     []delta.ID
	epoch   delta.EpochID // zero: the world's
}

// forge signs an envelope of any form.
func (w *world) forge(a *author, f forged) []byte {
	w.t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	must(w.t, err)
	encode := func(v any) []byte {
		b, err := mode.Marshal(v)
		must(w.t, err)
		return b
	}
	ids := make([][]byte, 0, len(f.parents))
	for _, p := range f.parents {
		id := p.ID()
		ids = append(ids, id[:])
		f.time = max(f.time, p.Header().Time+delta.Tick)
	}
	for _, id := range f.ids {
		ids = append(ids, id[:])
	}
	slices.SortFunc(ids, bytes.Compare)
	body := encode([]any{[]any{}, f.sealed})
	hash := sha256.Sum256(body)
	epoch, author := w.key.ID(), a.key.Public()
	if f.epoch != (delta.EpochID{}) {
		epoch = f.epoch
	}
	header := encode(append([]any{
		f.version, w.context[:], f.kind, ids, author[:], a.inc[:], f.seq, uint64(f.time), epoch[:], hash[:],
	}, f.more...))
	id := sha256.Sum256(header)
	signature := a.key.Sign("delta/v1/author", id[:])
	return encode([]any{header, []any{signature[:]}, body})
}

// unsealed is a delta like another one, by somebody who has not the key.
func (w *world) unsealed(a *author, like *delta.Delta) *delta.Delta {
	w.t.Helper()
	h := like.Header()
	return opened(w.t, w.forge(a, forged{
		version: 1, kind: 2, ids: h.Parents, seq: h.Seq, time: h.Time, sealed: make([]byte, 64), epoch: h.Epoch,
	}))
}

// calimero is a published artifact (layout L3b) with its latest times made earlier
// until none is later than so.
func calimero(t *testing.T, latest uint64) []byte {
	t.Helper()
	doc, err := os.ReadFile("../artifact/testdata/published.json")
	must(t, err)
	var all []struct{ Layouts, Artifact string }
	must(t, json.Unmarshal(doc, &all))
	for _, a := range all {
		raw, err := hex.DecodeString(a.Artifact)
		must(t, err)
		for {
			last, ok := artifact.Times(raw, artifact.L3b)
			if !ok {
				break
			}
			if last <= latest {
				return raw
			}
			raw = bytes.ReplaceAll(raw, binary.LittleEndian.AppendUint64(nil, last), binary.LittleEndian.AppendUint64(nil, latest))
		}
	}
	t.Fatal("no artifact of layout L3b")
	return nil
}

// badCase is one kind of bad input.
type badCase struct {
	name string
	// quota of the context; 0: 1 MiB. raw: it begins without the init of a tape.
	quota uint64
	raw   bool
	// make gives the envelopes, and which of them the expectations are about.
	make func(w *world, a *author) [][]byte
	// refused is in the reason of a refusal; else fate and reason are those of the
	// last envelope.
	refused string
	fate    store.Fate
	reason  string
	// cure makes what it waits for come; then it is folded.
	cure func(h *home, w *world, c replica.Created)
}

// state is the payload of a tape.
func payload(t testing.TB, ops ...string) []byte {
	t.Helper()
	form, err := delta.EncodeState(delta.State{Artifact: tape(ops...)})
	must(t, err)
	return form
}

func badCases(t *testing.T) []badCase {
	good := func(w *world, a *author) *delta.Delta { return w.write(a, 1, tape("sba"), w.creator.last) }
	sealAs := func(w *world, a *author, seq, ticks uint64, form []byte, parents ...*delta.Delta) []byte {
		d, err := w.sealAs(a, seq, ticks, form, w.key, parents...)
		must(t, err)
		return d.Bytes()
	}
	one := func(raw []byte) [][]byte { return [][]byte{raw} }
	artifactCase := func(name, reason string, ops ...string) badCase {
		return badCase{
			name: name, fate: store.FateVoid, reason: reason,
			make: func(w *world, a *author) [][]byte {
				return one(w.write(a, 1, tape(ops...), w.creator.last).Bytes())
			},
		}
	}
	return []badCase{
		{name: "nothing", make: func(*world, *author) [][]byte { return one(nil) }, refused: "truncated"},
		{name: "no CBOR", make: func(*world, *author) [][]byte { return one([]byte("not a delta")) }, refused: "malformed"},
		{name: "too large", make: func(*world, *author) [][]byte { return one(make([]byte, delta.MaxEnvelope+1)) }, refused: "too large"},
		{name: "cut", make: func(w *world, a *author) [][]byte { raw := good(w, a).Bytes(); return one(raw[:len(raw)-1]) }, refused: "truncated"},
		{name: "trailing byte", make: func(w *world, a *author) [][]byte { return one(append(bytes.Clone(good(w, a).Bytes()), 0)) }, refused: "trailing"},
		{
			name: "signature", refused: "not signed by its author",
			make: func(w *world, a *author) [][]byte {
				raw := bytes.Clone(good(w, a).Bytes())
				raw[bytes.Index(raw, []byte{0x81, 0x58, 64})+10] ^= 1
				return one(raw)
			},
		},
		{
			name: "body", refused: "body does not match its header",
			make: func(w *world, a *author) [][]byte {
				raw := bytes.Clone(good(w, a).Bytes())
				raw[len(raw)-1] ^= 1
				return one(raw)
			},
		},
		{
			name: "another context", refused: "it belongs to another context",
			make: func(w *world, _ *author) [][]byte { return one(newWorld(t, w.app, 1).genesis.Bytes()) },
		},
		{
			name: "a second genesis", refused: "not the genesis",
			make: func(w *world, a *author) [][]byte {
				sealing, err := ident.NewSealKey()
				must(t, err)
				form, err := delta.EncodeGenesis(delta.Genesis{Semantics: 1, App: w.app, SealKey: sealing.Public(), StateQuota: 1})
				must(t, err)
				d, err := delta.Seal(delta.Header{
					Context: w.context, Kind: delta.KindGenesis, Author: a.key.Public(), Seq: 1, Time: delta.NextTime(base),
				}, form, w.key, nil, a.key, &w.contextKey)
				must(t, err)
				return one(d.Bytes())
			},
		},
		{
			name: "gap", refused: "the writer's previous delta is not in its past",
			make: func(w *world, a *author) [][]byte { return one(sealAs(w, a, 2, 1, payload(t, "sba"), w.creator.last)) },
		},
		{
			name: "number in its past", refused: "the writer's number is already in its past",
			make: func(w *world, a *author) [][]byte {
				first := good(w, a)
				return [][]byte{first.Bytes(), sealAs(w, a, 1, 1, payload(t, "scc"), first)}
			},
		},
		{
			name: "not later than its parent", refused: "not later than its parent",
			make: func(w *world, a *author) [][]byte { return one(sealAs(w, a, 1, 0, payload(t, "sba"), w.creator.last)) },
		},
		{
			name: "parent comes later", fate: store.FateWaiting, reason: "parents: ",
			make: func(w *world, a *author) [][]byte {
				good(w, a)
				return one(w.write(a, 1, tape("sda")).Bytes())
			},
			cure: func(h *home, w *world, c replica.Created) { h.receive(c, w.kept...) },
		},
		{
			name: "clock", fate: store.FateWaiting, reason: "clock: ",
			make: func(w *world, a *author) [][]byte {
				return one(w.write(a, uint64(6*time.Minute)/delta.Tick, tape("sba"), w.creator.last).Bytes())
			},
			cure: func(h *home, w *world, _ replica.Created) {
				h.wall = func() time.Time { return base.Add(2 * time.Minute) }
				must(h.t, h.set.Reconsider(h.t.Context(), w.context))
				h.wall = func() time.Time { return base }
			},
		},
		{
			name: "a day ahead", refused: "more than a day ahead of this node's clock",
			make: func(w *world, a *author) [][]byte {
				return one(w.write(a, uint64(25*time.Hour)/delta.Tick, tape("sba"), w.creator.last).Bytes())
			},
		},
		{
			name: "almost a day ahead", fate: store.FateWaiting, reason: "clock: ",
			make: func(w *world, a *author) [][]byte {
				return one(w.write(a, uint64(23*time.Hour)/delta.Tick, tape("sba"), w.creator.last).Bytes())
			},
		},
		{
			name: "version", fate: store.FateWaiting, reason: "upgrade: ",
			make: func(w *world, a *author) [][]byte {
				return one(w.forge(a, forged{version: 2, kind: 2, parents: []*delta.Delta{w.creator.last}, seq: 1, more: []any{uint64(7)}}))
			},
		},
		{
			name: "kind", fate: store.FateWaiting, reason: "upgrade: ",
			make: func(w *world, a *author) [][]byte {
				return one(w.forge(a, forged{version: 1, kind: 9, parents: []*delta.Delta{w.creator.last}, seq: 1, sealed: make([]byte, 64)}))
			},
		},
		{
			name: "field of a later payload", fate: store.FateWaiting, reason: "upgrade: ",
			make: func(w *world, a *author) [][]byte {
				form := payload(t, "sba")
				form = append([]byte{form[0] + 1}, append(form[1:], 0x18, 99, 1)...)
				return one(sealAs(w, a, 1, 1, form, w.creator.last))
			},
		},
		{
			name: "key", fate: store.FateWaiting, reason: "key: ",
			make: func(w *world, a *author) [][]byte {
				w.other = delta.NewEpochKey()
				d, err := w.sealAs(a, 1, 1, payload(t, "sba"), w.other, w.creator.last)
				must(t, err)
				return one(d.Bytes())
			},
			cure: func(h *home, w *world, c replica.Created) {
				must(h.t, h.store.Commit(h.t.Context(), &store.Step{EpochKeys: []store.EpochKey{{Context: w.context, Key: w.other}}}))
				must(h.t, h.set.Reconsider(h.t.Context(), w.context))
			},
		},
		{
			name: "seal", refused: "nobody with a key of the context sealed it",
			make: func(w *world, a *author) [][]byte {
				return one(w.forge(a, forged{version: 1, kind: 2, parents: []*delta.Delta{w.creator.last}, seq: 1, sealed: make([]byte, 64)}))
			},
		},
		{
			name: "payload", fate: store.FateVoid, reason: "bad payload",
			make: func(w *world, a *author) [][]byte { return one(sealAs(w, a, 1, 1, []byte("garbage"), w.creator.last)) },
		},
		{
			name: "empty artifact", fate: store.FateFolded, // to the guest that is a tape without operations
			make: func(w *world, a *author) [][]byte { return one(w.write(a, 1, nil, w.creator.last).Bytes()) },
		},
		artifactCase("trap", "unreachable", "sba", "u  "),
		artifactCase("error of the application", "returned an error", "sba", "v  "),
		artifactCase("no commit", "committed nothing", "sba", "e  "),
		artifactCase("more than a delta may change", "change of state of 41943050 bytes is over the limit", "qb\x05"),
		{
			name: "quota", quota: 64 << 10, fate: store.FateVoid, reason: "state of the context of 66051 bytes is over the limit",
			make: func(w *world, a *author) [][]byte { return one(w.write(a, 1, tape("fb\x81"), w.creator.last).Bytes()) },
		},
		{
			name: "calimero", raw: true, fate: store.FateFolded,
			make: func(w *world, a *author) [][]byte {
				return one(w.write(a, 1, calimero(t, uint64(base.UnixNano()))).Bytes())
			},
		},
		{
			name: "timestamp in the future", raw: true, fate: store.FateVoid, reason: "timestamp later than its delta",
			make: func(w *world, a *author) [][]byte {
				first := w.write(a, 1, calimero(t, uint64(base.UnixNano())))
				return [][]byte{first.Bytes(), w.write(a, 1, calimero(t, uint64(first.Header().Time)+1000*delta.Tick)).Bytes()}
			},
		},
		{
			name: "garbage where artifacts have a form", raw: true, fate: store.FateVoid, reason: "not of the form",
			make: func(w *world, a *author) [][]byte {
				first := w.write(a, 1, calimero(t, uint64(base.UnixNano())))
				return [][]byte{first.Bytes(), w.write(a, 1, tape("sba")).Bytes()}
			},
		},
	}
}

// TestBadDeltas hands in every kind of bad delta, each in a context of its own: it
// gets its own fate and reason, in the record, the log and the metrics; what was
// there is still there, what rests on it waits or is folded as its fate says, and a
// restart changes none of that.
func TestBadDeltas(t *testing.T) {
	h := newQuickHome(t)
	h.wall = func() time.Time { return base }
	log, reg := h.loud()
	app := h.installTape()
	bystander := newWorld(t, app, 1<<20)
	by := bystander.join(h)
	h.receive(by, bystander.write(bystander.creator, 1, tape("saa")).Bytes())
	before := h.info(by)
	after := make(map[string]func(t *testing.T))
	for i, tc := range badCases(t) {
		t.Run(tc.name, func(t *testing.T) {
			h.t = t
			log.Reset()
			quota := tc.quota
			if quota == 0 {
				quota = 1 << 30
			}
			w := newWorld(t, app, quota)
			c := w.join(h)
			if !tc.raw {
				h.receive(c, w.write(w.creator, 1, tape("saa")).Bytes())
			}
			a := newAuthor(rand.New(rand.NewPCG(uint64(i), 0)))
			was := h.state(c)
			refusals := count(t, reg, "mero_replica_deltas_received_total", "refused")
			list := tc.make(w, a)
			last := list[len(list)-1]
			if a.last != nil {
				w.kept = [][]byte{good(w, a)}
			}
			got := h.receive(c, list...)
			if tc.refused != "" {
				if len(got.Refused) != 1 || !strings.Contains(got.Refused[0].Reason, tc.refused) {
					t.Fatalf("refusals %+v, want %q", got.Refused, tc.refused)
				}
				if kept := h.set.Refusals(w.context); len(kept) != 1 || kept[0] != got.Refused[0] {
					t.Errorf("remembered are %+v", kept)
				}
				if n := count(t, reg, "mero_replica_deltas_received_total", "refused") - refusals; n != 1 {
					t.Errorf("%v refusals are counted", n)
				}
				if !strings.Contains(log.String(), got.Refused[0].Reason) {
					t.Errorf("the log does not say why: %s", log)
				}
				if d := cmp.Diff(was, h.state(c)); d != "" && len(list) == 1 {
					t.Errorf("the state changed: %s", d)
				}
				h.verify(w.context)
				return
			}
			_, id, err := delta.Inspect(last)
			must(t, err)
			holds := func(t *testing.T, fate store.Fate, reason string) {
				t.Helper()
				rec, there := h.fates(c)[id]
				if !there || rec.Fate != fate || !strings.Contains(rec.Reason, reason) {
					t.Errorf("it is %s %q, want %s %q", rec.Fate, rec.Reason, fate, reason)
				}
			}
			holds(t, tc.fate, tc.reason)
			if tc.fate != store.FateFolded {
				if !strings.Contains(h.state(c)["a"], "a") && !tc.raw {
					t.Errorf("what was there is lost: %v", h.state(c))
				}
				if tc.fate == store.FateVoid && !strings.Contains(log.String(), tc.reason) {
					t.Errorf("the log does not say why: %s", log)
				}
			}
			if tc.fate == store.FateWaiting {
				label := "waiting"
				if n := count(t, reg, "mero_replica_deltas_received_total", label); n == 0 {
					t.Error("nothing is counted as waiting")
				}
			}
			if tc.cure != nil {
				tc.cure(h, w, c)
				holds(t, store.FateFolded, "")
			}
			h.verify(w.context)
			info := h.info(c)
			after[tc.name] = func(t *testing.T) {
				h.t = t
				if d := cmp.Diff(info, h.info(c)); d != "" {
					t.Errorf("after a restart: %s", d)
				}
				h.verify(w.context)
				// The context takes what comes next.
				more := newAuthor(rand.New(rand.NewPCG(uint64(i), 1)))
				d := w.write(more, 1, tape("szz"), w.genesis)
				h.receive(c, d.Bytes())
				if rec := h.fates(c)[d.ID()]; tc.name != "empty artifact" && !tc.raw && rec.Fate != store.FateFolded {
					t.Errorf("the next delta is %s %s", rec.Fate, rec.Reason)
				}
			}
		})
	}
	h.t = t
	if d := cmp.Diff(before, h.info(by)); d != "" {
		t.Errorf("another context changed: %s", d)
	}
	h.reopen()
	for name, check := range after {
		t.Run("restarted/"+name, check)
	}
	h.t = t
}

// good is the delta that an author's last one rests on.
func good(w *world, a *author) []byte { return w.before[a.last.ID()] }

var _ = fmt.Sprint
