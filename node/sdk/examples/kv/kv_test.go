package main

import (
	"maps"
	"strconv"
	"testing"

	"mero/node/sdk/sdktest"
)

func TestKV(t *testing.T) {
	kv := sdktest.New[KV](t, 1, nil).Replica(0)
	for i := range 100 {
		kv.Must(func(kv *KV) error {
			kv.Set("k"+strconv.Itoa(i), strconv.Itoa(i))
			return nil
		})
	}
	for _, test := range []struct {
		method string
		args   []any
		want   string
	}{
		{"get", []any{"k7"}, `"7"`},
		{"set", []any{"k7", "seven"}, "null"},
		{"get", []any{"k7"}, `"seven"`},
		{"remove", []any{"k7"}, `"seven"`},
		{"remove", []any{"k7"}, "null"},
		{"get", []any{"k7"}, "null"},
		{"len", nil, "99"},
	} {
		got, err := kv.Call(test.method, test.args...)
		if err != nil || string(got) != test.want {
			t.Errorf("%s%q gives %s, %v; want %s", test.method, test.args, got, err, test.want)
		}
	}
	kv.View(func(kv *KV) {
		if n := len(kv.Entries()); n != 99 {
			t.Errorf("%d entries", n)
		}
	})
}

// TestConcurrent: every replica ends with the same entries, whoever wrote when.
func TestConcurrent(t *testing.T) {
	net := sdktest.New[KV](t, 3, nil)
	for i := range 60 {
		net.Replica(i % 3).Must(func(kv *KV) error {
			if key := strconv.Itoa(i % 7); i%5 == 0 {
				kv.Remove(key)
			} else {
				kv.Set(key, strconv.Itoa(i))
			}
			return nil
		})
		net.Deliver(i % 4)
	}
	net.Settle()
	var first map[string]string
	net.Replica(0).View(func(kv *KV) { first = kv.Entries() })
	if len(first) == 0 {
		t.Error("nothing is left")
	}
	for i := range 3 {
		net.Replica(i).View(func(kv *KV) {
			if got := kv.Entries(); !maps.Equal(got, first) {
				t.Errorf("replica %d has %v, not %v", i, got, first)
			}
		})
	}
}
