package bench

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tt := range []struct {
		list []time.Duration
		p    float64
		want time.Duration
	}{
		{nil, 50, 0},
		{[]time.Duration{7}, 50, 7},
		{[]time.Duration{7}, 99, 7},
		{[]time.Duration{1, 2, 3}, 50, 2},
		{[]time.Duration{1, 2, 3}, 99, 3},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
	} {
		if got := percentile(tt.list, tt.p); got != tt.want {
			t.Errorf("percentile %v of %d: got %d, want %d", tt.p, len(tt.list), got, tt.want)
		}
	}
}

// TestTargets: a target is met by equality too, and never by what is not known.
func TestTargets(t *testing.T) {
	for _, tt := range []struct {
		value  float64
		better string
		want   bool
	}{
		{99, More, false},
		{100, More, true},
		{101, More, true},
		{99, Less, true},
		{100, Less, true},
		{101, Less, false},
	} {
		r := Result{Value: &tt.value, Better: tt.better}.targets(100, 200)
		if *r.Met != tt.want {
			t.Errorf("%v, better is %s: met is %v", tt.value, tt.better, *r.Met)
		}
	}
	if r := (Result{Better: More}).targets(100, 200); r.Met != nil {
		t.Error("an unknown value meets a target, or does not")
	}
}

// TestTimes: the order in which times were taken says nothing.
func TestTimes(t *testing.T) {
	r := median("P0", "what", "", []time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond})
	if *r.Value != 2 || *r.P50 != 2 || *r.P99 != 3 || r.Samples != 3 {
		t.Errorf("got %v, p50 %v, p99 %v of %d", *r.Value, *r.P50, *r.P99, r.Samples)
	}
}
