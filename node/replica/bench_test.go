package replica_test

import (
	"fmt"
	"os"
	"testing"

	"mero/node/replica"
)

// BenchmarkCall measures calls in process, durable where they write: of the
// Go test application, and of the binary that MERO_APP names.
func BenchmarkCall(b *testing.B) {
	h := newHome(b)
	run := func(name string, c replica.Created) {
		h.ok(c, "set", kv{"a", "1"})
		b.Run(name+"/get", func(b *testing.B) {
			for b.Loop() {
				h.ok(c, "get", kv{Key: "a"})
			}
		})
		b.Run(name+"/set", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				h.ok(c, "set", kv{"a", fmt.Sprint(i)})
			}
		})
		b.Run(name+"/set16", func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					h.ok(c, "set", kv{"a", "1"})
				}
			})
		})
	}
	run("go", h.create("kv", "{}"))
	if path := os.Getenv("MERO_APP"); path != "" {
		run("binary", h.createFile(path, "{}"))
	}
}
