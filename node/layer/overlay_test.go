package layer_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mero/node/hosted/hostedtest"
	"mero/node/layer"
	"mero/node/vm"
)

// TestRange reads ranges of overlays over overlays, with keys that were
// removed, written again, and new ones between.
func TestRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	key := func() string {
		b := make([]byte, 1+rng.IntN(3))
		for i := range b {
			b[i] = []byte{0, 'a', 'b', 0xff}[rng.IntN(4)]
		}
		return string(b)
	}
	for range 300 {
		o, model := layer.New(layer.Getter(layer.Nothing)), map[string][]byte{}
		for range rng.IntN(60) {
			k := key()
			switch rng.IntN(5) {
			case 0:
				put(t, o, k, nil)
				delete(model, k)
			case 1:
				o = layer.New(o)
			default:
				model[k] = []byte{byte(rng.IntN(256))}
				put(t, o, k, model[k])
			}
			prefix, after, limit := []byte(key())[:rng.IntN(2)], []byte(key()), rng.IntN(6)
			if rng.IntN(3) == 0 {
				after = nil
			}
			var want []string
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if len(want) < limit && strings.HasPrefix(k, string(prefix)) && (after == nil || k > string(after)) {
					want = append(want, k)
				}
			}
			got, err := o.Range(prefix, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				t.Fatalf("Range(%q, %q, %d): %d entries, want %q", prefix, after, limit, len(got), want)
			}
			for i, kv := range got {
				if string(kv.Key) != want[i] || !bytes.Equal(kv.Value, model[want[i]]) {
					t.Fatalf("Range(%q, %q, %d): entry %d is %q = %q", prefix, after, limit, i, kv.Key, kv.Value)
				}
			}
		}
	}
}

// put changes a key; nil removes it.
func put(t *testing.T, o *layer.Overlay, key string, value []byte) {
	t.Helper()
	old, had, err := o.Get([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	o.Put([]byte(key), old, value, had, value != nil)
}

var errDisk = errors.New("the disk is on fire")

// TestLayered: the replicated state hides local keys, and an error of it is none of
// "there is nothing".
func TestLayered(t *testing.T) {
	replicated, local := hostedtest.New(), hostedtest.New()
	replicated.Apply([]vm.Write{{Key: []byte("a"), Value: []byte("replicated")}, {Key: []byte("empty"), Value: []byte{}}})
	local.Apply([]vm.Write{{Key: []byte("a"), Value: []byte("local")}, {Key: []byte("empty"), Value: []byte("local")}, {Key: []byte("b"), Value: []byte("local")}})
	both := layer.Layered{Replicated: replicated, Local: local}
	for key, want := range map[string]string{"a": "replicated", "empty": "", "b": "local"} {
		if got, ok, err := both.Get([]byte(key)); string(got) != want || !ok || err != nil {
			t.Errorf("%s is %q, %t, %v; want %q", key, got, ok, err, want)
		}
	}
	if _, ok, err := both.Get([]byte("c")); ok || err != nil {
		t.Errorf("nothing is %t, %v", ok, err)
	}
	replicated.Failing = errDisk
	if _, _, err := both.Get([]byte("b")); !errors.Is(err, errDisk) {
		t.Errorf("a failing state gives %v", err)
	}
	replicated.Failing, local.Failing = nil, errDisk
	if _, _, err := both.Get([]byte("c")); !errors.Is(err, errDisk) {
		t.Errorf("failing local keys give %v", err)
	}
	if got, _, err := both.Get([]byte("a")); string(got) != "replicated" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
