package bench

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestFloor: the application by hand keeps what it is given, so that its writes
// are writes.
func TestFloor(t *testing.T) {
	dir := t.TempDir()
	b := &bench{cfg: Config{Size: Quick()}, apps: []App{floor()}, dir: dir, cache: dir + "/cache"}
	l, err := b.openLocal(t.Context(), floor())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(l.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the home is still there: %v", err)
		}
	}()
	var last uint64
	for i := range 3 {
		if err := l.call(t.Context(), "set", args{key(i), time.Duration(i).String()}); err != nil {
			t.Fatal(err)
		}
		if err := l.call(t.Context(), "get", args{Key: key(i)}); err != nil {
			t.Fatal(err)
		}
		info, err := l.set.Get(l.made.Context)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && info.Deltas != last+1 {
			t.Errorf("a set and a get made %d deltas, want 1", info.Deltas-last)
		}
		last = info.Deltas
	}
}
