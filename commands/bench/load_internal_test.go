package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLoad takes loads whose rate is known, in fake time: even where single
// calls take longer than the sample.
func TestLoad(t *testing.T) {
	slow := func(_, i int) time.Duration { // every tenth takes 100 times as long
		if i%10 == 9 {
			return 100 * time.Millisecond
		}
		return time.Millisecond
	}
	for _, tt := range []struct {
		name    string
		clients int
		length  time.Duration
		takes   func(client, i int) time.Duration
		want    float64 // per second, ± 2 %
	}{
		{"one client", 1, time.Second, func(_, _ int) time.Duration { return time.Millisecond }, 1000},
		{"many clients", 16, time.Second, func(_, _ int) time.Duration { return 4 * time.Millisecond }, 4000},
		{"some calls are slow", 4, 109 * time.Second, slow, 4 * 10 / 0.109},
		{"starved clients", 2, time.Second, func(client, _ int) time.Duration {
			return []time.Duration{time.Millisecond, 3 * time.Second}[client]
		}, 1000},
		{"longer than the sample", 1, time.Millisecond, func(_, _ int) time.Duration { return time.Second }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := load(t.Context(), tt.clients, tt.length, func(_ context.Context, client, i int) error {
					<-time.After(tt.takes(client, i))
					return nil
				})
				if err != nil || s.rate < tt.want*0.98 || s.rate > tt.want*1.02 || len(s.times) == 0 {
					t.Errorf("got %v per second of %d calls (%v), want %v", s.rate, len(s.times), err, tt.want)
				}
			})
		})
	}
}

// TestLoadError: one failure ends all clients.
func TestLoadError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		var calls atomic.Int64
		_, err := load(t.Context(), 8, time.Hour, func(ctx context.Context, client, i int) error {
			calls.Add(1)
			if client == 3 && i == 2 {
				return bad
			}
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if !errors.Is(err, bad) || calls.Load() > 3*8 {
			t.Errorf("got %v after %d calls", err, calls.Load())
		}
	})
}
