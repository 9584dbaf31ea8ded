package api_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/ident"
)

func TestDagQuery(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	author, after := ident.PublicKey{31: 1}, api.Hash{31: 2}
	for text, want := range map[string]api.DagQuery{
		"": {},
		"after=" + after.String() + "&author=" + author.String() + "&limit=7&pending=true&since=2026-01-02T03%3A04%3A05.000000678Z&until=2026-01-02T03%3A04%3A05.000000678Z": {
			Author: &author, Since: at, Until: at, Limit: 7, After: &after, Pending: true,
		},
		"limit=1000": {Limit: 1000},
	} {
		if got := want.Values().Encode(); got != text {
			t.Errorf("%+v prints %s, want %s", want, got, text)
		}
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := api.ParseDagQuery(values)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{"limit=0", "limit=1001", "limit=1e2", "author=0", "after=", "since=today", "until=2026", "pending=yes"} {
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(text, "=")
		if got, err := api.ParseDagQuery(values); !errors.Is(err, api.ErrDagQuery) || !strings.Contains(err.Error(), name) || !cmp.Equal(got, api.DagQuery{}) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func FuzzDagQuery(f *testing.F) {
	f.Add("limit=7&pending=true&since=2026-01-02T03:04:05Z")
	f.Add("author=" + ones + "&after=" + ones)
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := api.ParseDagQuery(values)
		if err != nil {
			return
		}
		again, err := api.ParseDagQuery(q.Values())
		if err != nil || !again.Since.Equal(q.Since) || !again.Until.Equal(q.Until) || again.Limit != q.Limit || again.Pending != q.Pending ||
			!cmp.Equal(again.Author, q.Author) || !cmp.Equal(again.After, q.After) {
			t.Errorf("%s reads as %+v, then %+v, %v", text, q, again, err)
		}
	})
}

// TestDagShapes pins what scripts read.
func TestDagShapes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	id, two := api.Hash{31: 1}, 2
	text := id.String()
	row := api.DeltaRow{ID: id, Time: at, Kind: "state", Incarnation: "00", Seq: 3, Parents: []api.Hash{id}, Fate: api.FateFolded, Size: 4}
	const key = ones
	common := `"deltaId":"` + text + `","time":"2026-01-02T03:04:05.000000006Z","kind":"state","author":"` + key + `","incarnation":"00","seq":3,"parents":["` + text + `"],"children":0,`
	for name, tt := range map[string]struct {
		value any
		want  string
	}{
		"row": {row, `{` + common + `"fate":"folded","size":4,"head":false,"merge":false,"forked":false}`},
		"waiting": {
			func() api.DeltaRow {
				r := row
				r.Fate, r.Reason, r.WaitsFor, r.Since, r.Missing, r.Events, r.Depth, r.Problem = api.FateWaiting, "words", "parents", &at, []api.Hash{id}, &two, &two, "bad"
				return r
			}(),
			`{` + common + `"fate":"waiting","reason":"words","waitsFor":"parents","since":"2026-01-02T03:04:05.000000006Z","missing":["` + text +
				`"],"size":4,"head":false,"merge":false,"forked":false,"events":2,"depth":2,"problem":"bad"}`,
		},
		"detail": {
			api.DeltaDetail{DeltaRow: row, Version: 1, Signature: api.SignatureGood, Unopened: "why"},
			`{` + common + `"fate":"folded","size":4,"head":false,"merge":false,"forked":false,"contextId":"` + key + `","version":1,"epoch":"` + key +
				`","recipients":0,"signature":"good","unopened":"why"}`,
		},
		"content": {
			[]api.Content{{Size: 1, JSON: json.RawMessage("1")}, {Size: 1, Text: "a"}, {Size: 1, Bytes: api.Bytes{255}}, {}},
			`[{"size":1,"json":1},{"size":1,"text":"a"},{"size":1,"bytes":[255]},{"size":0}]`,
		},
		"report": {
			api.ContextReport{OK: true, Heads: []api.Hash{id}, Problems: []api.ContextProblem{{What: "w", ID: &id, Key: api.Bytes{1}}, {What: "x"}}, TookMs: 5},
			`{"contextId":"` + key + `","ok":true,"deep":false,"deltas":0,"void":0,"waiting":0,"keys":0,"stateBytes":0,"rootHash":"` + key + `","dagHeads":["` + text +
				`"],"problems":[{"what":"w","deltaId":"` + text + `","key":[1]},{"what":"x"}],"repaired":false,"tookMs":5}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
