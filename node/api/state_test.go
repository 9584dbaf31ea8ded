package api_test

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
)

func TestStateQuery(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	id := api.Hash{31: 2}
	for text, want := range map[string]api.StateQuery{
		"": {},
		"after=a%2Fb&at=" + id.String() + "&limit=7&path=%5B%22m%22%2C%22a%2Fb%22%5D": {Path: []string{"m", "a/b"}, After: "a/b", Limit: 7, At: &id},
		"at=2026-01-02T03%3A04%3A05.000000678Z":                                       {Time: at},
		"limit=1000":                                                                  {Limit: 1000},
	} {
		if got := want.Values().Encode(); got != text {
			t.Errorf("%+v prints %s, want %s", want, got, text)
		}
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := api.ParseStateQuery(values)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
	for _, text := range []string{
		"limit=0", "limit=1001", "limit=1e2", "path=m", "path=", "path=7", `path={"a":"b"}`, "path=[1]", "path=[" + strings.Repeat(`"a",`, 16) + `"a"]`,
		"at=", "at=today", "at=2026", "at=0001-01-01T00:00:00Z", "at=" + strings.Repeat("1", 10000),
	} {
		name, value, _ := strings.Cut(text, "=")
		got, err := api.ParseStateQuery(url.Values{name: {value}})
		if !errors.Is(err, api.ErrStateQuery) || !strings.Contains(err.Error(), name) || !cmp.Equal(got, api.StateQuery{}) || len(err.Error()) > 500 {
			t.Errorf("%.60s: %+v, %v", text, got, err)
		}
	}
}

func FuzzStateQuery(f *testing.F) {
	f.Add(`path=["m","k"]&limit=7&at=2026-01-02T03:04:05Z`)
	f.Add("after=hex:00&at=" + ones)
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := api.ParseStateQuery(values)
		if err != nil {
			return
		}
		again, err := api.ParseStateQuery(q.Values())
		if err != nil || !q.Time.Equal(again.Time) {
			t.Fatalf("%+v: %+v, %v", q, again, err)
		}
		q.Time, again.Time = time.Time{}, time.Time{}
		if len(q.Path) == 0 {
			q.Path = nil
		}
		if diff := cmp.Diff(q, again); diff != "" {
			t.Error(diff)
		}
	})
}

func TestKeyWord(t *testing.T) {
	for key, want := range map[string]string{
		"name": "name", "a b/c ✓": "a b/c ✓", "": "hex:", "\x00\xff": "hex:00ff", "\xff": "hex:ff", "a\nb": "hex:610a62",
		"hex:00": "hex:6865783a3030", "hex": "hex", "\u202e": "hex:e280ae", "\ufffd": "hex:efbfbd",
	} {
		if got := api.KeyWord([]byte(key)); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
	for _, word := range []string{"hex:0", "hex:0g", "hex: 00"} {
		if key, err := api.ParseKeyWord(word); err == nil {
			t.Errorf("%s: %x", word, key)
		}
	}
}

func FuzzKeyWord(f *testing.F) {
	f.Add([]byte("hex:00"))
	f.Add([]byte{0xff, 0})
	f.Fuzz(func(t *testing.T, key []byte) {
		if got, err := api.ParseKeyWord(api.KeyWord(key)); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%x: %x, %v", key, got, err)
		}
	})
}
