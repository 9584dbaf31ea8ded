package blobkit_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/blobkit/blobtest"
)

func TestReserve(t *testing.T) {
	const reserve = 10 << 20
	var free atomic.Uint64
	reg := prometheus.NewRegistry()
	dir := t.TempDir()
	s, err := blobkit.Open(dir, blobkit.Deps{
		Log: zerolog.Nop(), Metrics: reg,
		FreeBytes: func(string) (uint64, error) { return free.Load() - used(t, dir), nil },
	}, blobkit.Config{Reserve: reserve, MaxSize: blobkit.MaxBlob})
	if err != nil {
		t.Fatal(err)
	}
	content := blobtest.Content(1, 3<<20)
	for _, tt := range []struct {
		name string
		free uint64
		ok   bool
	}{
		{"nothing", 0, false},
		{"only the reserve", reserve, false},
		{"less than the blob", reserve + 2<<20, false},
		{"twice the blob", reserve + 6<<20 + 1000, true}, // a chunk may be seen and be under way at once
	} {
		free.Store(tt.free)
		info, err := s.Put(t.Context(), bytes.NewReader(content), blobkit.PutOptions{})
		if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, blobkit.ErrDiskFull) {
			t.Errorf("%s free: %v", tt.name, err)
		}
		if !tt.ok {
			if got := files(t, dir); len(got) != 0 {
				t.Errorf("%s free: left %v", tt.name, got)
			}
			continue
		}
		if _, err := s.Bytes(t.Context(), info.ID, 3<<20); err != nil {
			t.Error(err)
		}
	}
	if got := values(t, reg)["mero_blobkit_disk_full_total"]; got < 3 {
		t.Errorf("disk full metric is %v, want at least one for each refusal", got)
	}
}

// used is what the files of a store take.
func used(t *testing.T, dir string) (n uint64) {
	t.Helper()
	for _, rel := range files(t, dir) {
		if st, err := os.Stat(filepath.Join(dir, rel)); err == nil {
			n += uint64(st.Size())
		}
	}
	return n
}

func TestMeasureFails(t *testing.T) {
	broken := errors.New("broken")
	s, err := blobkit.Open(t.TempDir(), blobkit.Deps{
		Log: zerolog.Nop(), Metrics: prometheus.NewRegistry(),
		FreeBytes: func(string) (uint64, error) { return 0, broken },
	}, blobkit.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), bytes.NewReader([]byte("x")), blobkit.PutOptions{}); !errors.Is(err, broken) {
		t.Errorf("put: %v, want the error of the measurement", err)
	}
}

// TestMemory puts and reads 64 MiB and counts what was allocated: whole blobs
// are never in memory.
func TestMemory(t *testing.T) {
	s := open(t, t.TempDir(), blobkit.DefaultConfig())
	content := blobtest.Content(1, 64<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	info := put(t, s, content)
	r, _, err := s.Get(t.Context(), info.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.WriteTo(&compare{want: content}); err != nil || n != int64(len(content)) {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	runtime.ReadMemStats(&after)
	// sync.Pool may drop buffers at a collection, hence the slack.
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("a put and a get of 64 MiB allocated %d MiB", used>>20)
	}
}

// compare is a writer that expects certain bytes.
type compare struct{ want []byte }

func (c *compare) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(c.want, p) {
		return 0, errors.New("other bytes came back")
	}
	c.want = c.want[len(p):]
	return len(p), nil
}

func TestConfig(t *testing.T) {
	if err := blobkit.DefaultConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for _, tt := range []struct {
		cfg  blobkit.Config
		want string
	}{
		{blobkit.Config{}, "blobs.max_size: 0 is outside of 1 to 1099511627776 bytes"},
		{blobkit.Config{MaxSize: blobkit.MaxBlob + 1}, "blobs.max_size: 1099511627777 is outside of 1 to 1099511627776 bytes"},
	} {
		_, err := blobkit.Open(t.TempDir(), blobkit.Deps{Metrics: prometheus.NewRegistry()}, tt.cfg)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.cfg, err, tt.want)
		}
	}
	s := open(t, t.TempDir(), blobkit.Config{MaxSize: 10})
	if _, err := s.Put(t.Context(), bytes.NewReader(make([]byte, 11)), blobkit.PutOptions{MaxSize: 20}); !errors.Is(err, blobkit.ErrTooLarge) {
		t.Errorf("over blobs.max_size: %v, want ErrTooLarge", err)
	}
	if _, err := s.Put(t.Context(), bytes.NewReader(make([]byte, 10)), blobkit.PutOptions{}); err != nil {
		t.Errorf("within blobs.max_size: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, err := blobkit.Open(t.TempDir(), blobkit.Deps{Log: zerolog.Nop(), Metrics: reg}, blobkit.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	info := put(t, s, []byte("content"))
	put(t, s, []byte("content"))
	put(t, s, []byte("more"))
	if _, err := s.Bytes(t.Context(), info.ID, 100); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	got := values(t, reg)
	for name, want := range map[string]float64{
		"mero_blobkit_blobs":               1,
		"mero_blobkit_content_bytes":       4,
		"mero_blobkit_read_bytes_total":    7,
		"mero_blobkit_written_bytes_total": 11,
		"mero_blobkit_puts_total stored":   2,
		"mero_blobkit_puts_total present":  1,
		"mero_blobkit_puts_total failed":   0,
		"mero_blobkit_damaged_total":       0,
		"mero_blobkit_disk_full_total":     0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v (%v), want %v", name, value, ok, want)
		}
	}
}

// values is every metric of a registry, by its name and label values.
func values(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return got
}
