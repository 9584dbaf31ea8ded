package bench

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// The units of results.
const (
	perSecond = "1/s"
	millis    = "ms"
	megabytes = "MB"
	percent   = "%"
	factor    = "×"
	kilobytes = "KB/s"
)

// Result is one figure.
type Result struct {
	// ID is the measure's in design/performance.md: P7.
	ID      string `json:"id"`
	Measure string `json:"measure"`
	// App is the application that was called, "" where none was.
	App string `json:"app,omitempty"`
	// Value is nil where the figure cannot be had; Note says why.
	Value *float64 `json:"value"`
	Unit  string   `json:"unit"`
	// Target and Stretch are the design's, nil for figures beside. The value
	// meets them when it is not more, or, where Better is more, not less.
	Target  *float64 `json:"target"`
	Stretch *float64 `json:"stretch"`
	Met     *bool    `json:"met"`
	Better  string   `json:"better"`
	// P50 and P99 are of single calls or starts, of which there were Samples.
	P50     *float64 `json:"p50Ms,omitempty"`
	P99     *float64 `json:"p99Ms,omitempty"`
	Samples int      `json:"samples,omitempty"`
	Note    string   `json:"note,omitempty"`
}

// The values of Result.Better.
const (
	More = "more"
	Less = "less"
)

// round keeps four digits: the rest is noise.
func round(v float64) *float64 {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if short, err := strconv.ParseFloat(text, 64); err == nil {
		v = short
	}
	return &v
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rate is a result of calls per second.
func rate(id, what, app string, s sample) Result {
	r := Result{ID: id, Measure: what, App: app, Value: round(s.rate), Unit: perSecond, Better: More}
	return r.times(s.times)
}

// median is a result of how long something takes.
func median(id, what, app string, times []time.Duration) Result {
	r := Result{ID: id, Measure: what, App: app, Unit: millis, Better: Less}.times(times)
	r.Value = r.P50
	return r
}

func size(id, what, app string, bytes uint64) Result {
	return Result{ID: id, Measure: what, App: app, Value: round(float64(bytes) / 1e6), Unit: megabytes, Better: Less}
}

func (r Result) times(times []time.Duration) Result {
	slices.Sort(times)
	r.P50, r.P99, r.Samples = round(ms(percentile(times, 50))), round(ms(percentile(times, 99))), len(times)
	return r
}

func (r Result) note(text string) Result {
	r.Note = text
	return r
}

// targets says what the design asks for, for the better first.
func (r Result) targets(target, stretch float64) Result {
	r.Target, r.Stretch = &target, &stretch
	if r.Value != nil {
		met := *r.Value <= target
		if r.Better == More {
			met = *r.Value >= target
		}
		r.Met = &met
	}
	return r
}

// percentile is of a sorted list, by nearest rank; 0 of an empty one.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}
