// Command kv is a key-value application: one map, whose entries the host keeps
// and merges. Keys and values are text.
package main

import (
	"maps"

	"mero/node/sdk"
)

func main() {} // a library: the node calls the methods

// KV is the state.
type KV struct {
	Pairs sdk.Map[string] `mero:"entries"`
}

// Set writes the value of a key.
func (kv *KV) Set(key, value string) { kv.Pairs.Put(key, value) }

// Get is the value of a key, or null.
//
//mero:reads
func (kv *KV) Get(key string) *string {
	if value, ok := kv.Pairs.Get(key); ok {
		return &value
	}
	return nil
}

// Remove takes a key away and gives what it had, or null.
func (kv *KV) Remove(key string) *string {
	old := kv.Get(key)
	if old != nil {
		kv.Pairs.Remove(key)
	}
	return old
}

// Entries are all keys with their values.
//
//mero:reads
func (kv *KV) Entries() map[string]string {
	return maps.Collect(kv.Pairs.All())
}

// Len is the number of keys.
//
//mero:reads
func (kv *KV) Len() int { return kv.Pairs.Len() }
