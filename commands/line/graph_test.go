package line_test

import (
	"strings"
	"testing"
	"time"

	"mero/commands/line"
)

func TestWhen(t *testing.T) {
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "15m": now.Add(-15 * time.Minute), "7d": now.Add(-7 * 24 * time.Hour), "0s": now,
		"2026-01-31T12:00:00Z": time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), "2026-01-31T12:00:00.000000001+02:00": time.Date(2026, 1, 31, 10, 0, 0, 1, time.UTC),
		"2026-01-31": time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local),
	} {
		if got, err := line.When("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-5m", "2026-13-01", "12:00", "5"} {
		if got, err := line.When("since", text, now); err == nil || !strings.Contains(err.Error(), "--since "+text) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
