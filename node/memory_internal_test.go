package node

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestGarbageIsSeenAndGivenBack: what a burst left behind is noticed, and is
// gone after what trimMemory does.
func TestGarbageIsSeenAndGivenBack(t *testing.T) {
	debug.FreeOSMemory()
	before := garbage()
	burst()
	runtime.GC()
	if held := garbage(); held < before+trimAt {
		t.Fatalf("%d bytes of garbage are seen after a burst of 128 MiB, %d before it", held, before)
	}
	debug.FreeOSMemory()
	if held := garbage(); held >= trimAt {
		t.Errorf("%d bytes are still held", held)
	}
}

// burst allocates 128 MiB, writes to each page, and lets go of all of it.
func burst() {
	var all [][]byte
	for range 128 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
	runtime.KeepAlive(all)
}
