package show_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

func printed(do func(p show.Printer)) string {
	var b strings.Builder
	do(show.Printer{W: &b, Short: true})
	return b.String()
}

// TestState: what people are told, and that nobody's text commands their terminal.
func TestState(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	who, id := ident.PublicKey{200}, api.Hash{201}
	two, text, wrote := int64(2), "line\n\x1b[2J", &api.StateWrite{Author: &who, ID: &id, Time: at}
	page := api.StatePage{Path: []string{}, State: api.StateNode{Kind: api.StateRoot, Length: &two, Entries: []api.StateNode{
		{Key: "m", Kind: api.StateMap, Once: true, Length: &two, Made: wrote, More: true, Next: "it's", Entries: []api.StateNode{
			{Key: "\x1b[31mred", Kind: api.StateValue, Value: &api.Content{Size: 3, Text: "\x1b[m"}, Written: &api.StateWrite{Time: at}},
			{Key: "long", Kind: api.StateValue, Value: &api.Content{Size: 1000, Text: strings.Repeat("x", 1000)}},
		}},
		{Key: "r", Kind: api.StateRegister},
		{Key: "big", Kind: api.StateRegister, Cut: true},
		{Key: "n", Kind: api.StateCounter, Value: &api.Content{Size: 2, JSON: []byte("-7")}, Written: wrote},
		{Key: "t", Kind: api.StateText, Length: &two, Text: &text},
		{Key: "raw", Kind: api.StateValue, Value: &api.Content{Size: 1 << 20}, Cut: true},
		{Key: "s", Kind: api.StateSet, Length: &two, More: true, Next: "\x1b[m", Entries: []api.StateNode{{Key: "e", Kind: api.StateValue}}},
		{Key: "l", Kind: api.StateList, Length: &two, More: true},
	}}}
	got := printed(func(p show.Printer) { p.State(&page) })
	_, got, _ = strings.Cut(got, "\n\n")
	by := " by " + who.String()[:8] + "… " + show.Time(at)
	want := `m: map, written once, 2  made` + by + `
  \x1b[31mred = "\x1b[m"  by somebody ` + show.Time(at) + ` (the delta is not here)
  long = "` + strings.Repeat("x", 199) + `…
  … and more: mero context state CONTEXT m --after 'it'\''s'
r: register = (not set)
big: register = (large: ask for it by its path)
n: counter = -7 ` + by + `
t: text, 2 = "line\n\x1b[2J"
raw = 1.0 MiB
s: set, 2
  e
  … and more: mero context state CONTEXT s --after '\x1b[m'
l: list, 2
  … there is more: mero context state CONTEXT l
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.ContainsAny(got, "\x1b") {
		t.Errorf("%q", got)
	}
	page.State.Entries = nil
	if got := printed(func(p show.Printer) { p.State(&page) }); !strings.HasSuffix(got, "\nnothing\n") {
		t.Errorf("an empty state: %q", got)
	}
	page.State = api.StateNode{Kind: api.StateText, Length: &two, Text: &text, Written: wrote}
	if got := printed(func(p show.Printer) { p.State(&page) }); !strings.HasSuffix(got, `text, 2 = "line\n\x1b[2J" `+by+"\n") {
		t.Errorf("a text: %q", got)
	}
}

// TestDelta: operations and updates, a line each.
func TestDelta(t *testing.T) {
	d := api.DeltaDetail{Payload: &api.DeltaPayload{Operations: &api.OperationsPayload{Size: 9, More: 3, List: []api.OperationDetail{
		{Name: "make", Path: []string{"m", "\x1b"}, Kind: "map", Once: true},
		{Name: "put", Path: []string{"m"}, Kind: "map", Key: "k", Values: []api.Content{{Size: 1, JSON: []byte("1")}}},
		{Name: "increase", Path: []string{"c"}, Kind: "counter", Amount: -3},
		{Name: "insert", Path: []string{"l"}, Kind: "list", Where: "at the beginning", Values: []api.Content{{Size: 1, Text: "a"}}, MoreValues: 2},
		{Name: "erase", Path: []string{"l"}, Kind: "list", Count: 2},
		{Name: "set", Path: []string{"l"}, Kind: "list", Element: "7/aa+1", Values: []api.Content{{Size: 1, Bytes: api.Bytes{255}}}},
	}}}}
	got := printed(func(p show.Printer) { p.Delta(&d) })
	for _, want := range []string{
		"operations  9, 9 B\n", `make m/\x1b: map, written once` + "\n", "put m/k = 1\n", "increase c by -3\n",
		"insert l at the beginning = \"a\", and 2 more\n", "erase l: 2 elements\n", "set l/7/aa+1 = 1 bytes: ff\n", "and 3 operations more\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	d.Payload = &api.DeltaPayload{Update: &api.UpdatePayload{Package: "notes", Version: "2", MigrateMethod: "migrate"}}
	if got := printed(func(p show.Printer) { p.Delta(&d) }); !strings.Contains(got, "migration    migrate\n") || !strings.Contains(got, "notes 2") {
		t.Errorf("an update:\n%s", got)
	}
	id, who := api.Hash{1}, ident.PublicKey{2}
	d.Payload = &api.DeltaPayload{Member: &api.MemberPayload{Admit: &api.AdmitPayload{Member: who, Role: "admin\x1b", Invitation: &id, Inviter: &who}}}
	if got := printed(func(p show.Printer) { p.Delta(&d) }); !strings.Contains(got, "admitted    "+who.Short()) || !strings.Contains(got, `admin\x1b`) || !strings.Contains(got, id.String()[:8]) {
		t.Errorf("an admission:\n%s", got)
	}
	d.Payload = &api.DeltaPayload{Member: &api.MemberPayload{Revoked: &id}}
	if got := printed(func(p show.Printer) { p.Delta(&d) }); !strings.Contains(got, "revoked invitation  "+id.String()[:8]) {
		t.Errorf("a revocation:\n%s", got)
	}
	d.Payload, d.Unopened = nil, "no key"
	if got := printed(func(p show.Printer) { p.Delta(&d) }); !strings.Contains(got, "cannot be read: no key") {
		t.Errorf("unopened:\n%s", got)
	}
}

// TestDryRun: what is counted is what is listed.
func TestDryRun(t *testing.T) {
	r := api.CallResponse{
		Changes: make([]api.StateChange, 5), Events: []api.Event{{Kind: "seen", Data: api.Bytes("now")}},
		Operations: &api.OperationsPayload{List: []api.OperationDetail{{Name: "erase", Path: []string{"l"}, Kind: "list", Count: 2}}, More: 2},
	}
	got := printed(func(p show.Printer) { p.DryRun(&r) })
	if want := "null\n3 operations, 1 event; nothing was committed\n"; !strings.HasPrefix(got, want) || !strings.Contains(got, "\nerase l: 2 elements\n") {
		t.Errorf("got %s", got)
	}
	r.Operations, r.Events = nil, nil
	if got := printed(func(p show.Printer) { p.DryRun(&r) }); !strings.HasPrefix(got, "null\n5 state changes, 0 events; ") {
		t.Errorf("got %s", got)
	}
}
