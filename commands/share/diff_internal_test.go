package share

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/ident"
)

// state serves a state of a node elsewhere, two entries a page.
func state(t *testing.T, values map[string]string) *api.Client {
	t.Helper()
	var keys []string
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := api.StatePage{State: api.StateNode{Kind: api.StateKeys}}
		for _, key := range keys {
			switch {
			case key <= r.URL.Query().Get("after"):
			case len(page.State.Entries) == 2:
				page.State.More, page.State.Next = true, page.State.Entries[1].Key
			default:
				page.State.Entries = append(page.State.Entries, api.StateNode{
					Key: key, Kind: api.StateValue, Value: &api.Content{Size: 1, Text: values[key]},
				})
			}
		}
		_ = json.NewEncoder(w).Encode(api.Data[api.StatePage]{Data: page})
	}))
	t.Cleanup(srv.Close)
	client, err := api.NewClient(api.ClientConfig{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestDifferingKeys: what is changed, and what only one side has, over pages.
func TestDifferingKeys(t *testing.T) {
	for _, tt := range []struct {
		name        string
		here, there map[string]string
		want        []string
	}{
		{"equal", map[string]string{"a": "1", "b": "2", "c": "3"}, map[string]string{"a": "1", "b": "2", "c": "3"}, []string{}},
		{"changed", map[string]string{"a": "1", "b": "2", "c": "3"}, map[string]string{"a": "1", "b": "2", "c": "4"}, []string{"c"}},
		{"only here", map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}, map[string]string{"c": "3"}, []string{"a", "b", "d", "e"}},
		{"only there", map[string]string{"c": "3"}, map[string]string{"a": "1", "c": "3", "d": "4"}, []string{"a", "d"}},
		{"nothing here", nil, map[string]string{"a": "1"}, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := differingKeys(t.Context(), ident.ContextID{}, state(t, tt.here), state(t, tt.there))
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

// TestLackedBy: in canonical order, the first of them, and how many there are.
func TestLackedBy(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	here, there := &graph{deltas: map[api.Hash]lackedDelta{}}, &graph{deltas: map[api.Hash]lackedDelta{}}
	for i := range 300 {
		d := lackedDelta{ID: api.Hash{byte(i), byte(i >> 8)}, Time: base.Add(time.Duration(300-i) * time.Second)}
		here.deltas[d.ID] = d
		if i%2 == 0 {
			there.deltas[d.ID] = d
		}
	}
	first, n := here.lackedBy(there)
	if n != 150 || len(first) != maxListed || !slices.IsSortedFunc(first, lackedDelta.compare) || !first[0].Time.Equal(base.Add(time.Second)) {
		t.Errorf("%d, %d of them, from %v", n, len(first), first[0])
	}
	if first, n := there.lackedBy(here); n != 0 || len(first) != 0 {
		t.Errorf("%d: %v", n, first)
	}
}

// TestWords: what people are told of how contexts stand.
func TestWords(t *testing.T) {
	for want, link := range map[string]api.SyncLink{
		"not connected": {LagMs: 5},
		"exchanging":    {Connected: true, Syncing: true, Failures: 1},
		"failing (2)":   {Connected: true, Failures: 2},
		"equal":         {Connected: true, Equal: true},
		"behind":        {Connected: true},
	} {
		if got, _ := linkState(&link); got != want {
			t.Errorf("%+v is %q, want %q", link, got, want)
		}
	}
	rep := &api.SyncReport{Reason: "it waits\x1b[2J", Missing: []api.Hash{{1}, {2}}, Waiting: 3, WaitingFor: map[string]int{"key": 1, "code": 2}}
	want := fmt.Sprintf(`it waits\x1b[2J; 2 deltas missing, first %s; 3 deltas waiting (1 for key, 2 for code)`, api.Hash{1})
	if diff := cmp.Diff(want, why(rep)); diff != "" {
		t.Error(diff)
	}
	for ms, want := range map[float64]string{0: "", 1.25: "1.2 ms", 250: "250 ms", 61_000: "61 s"} {
		if got := milliseconds(ms); got != want {
			t.Errorf("%v ms is %q, want %q", ms, got, want)
		}
	}
}
