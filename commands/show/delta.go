package show

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mero/node/api"
)

// Delta prints one delta with all that is known of it.
func (p Printer) Delta(d *api.DeltaDetail) {
	verdict := d.Fate
	switch {
	case d.Fate == api.FateWaiting:
		verdict = waitText(&d.DeltaRow)
	case d.Reason != "":
		verdict += ": " + Printable(d.Reason)
	}
	Pairs(
		p.W, "delta", p.ID(d.ID), "context", p.ID(d.ContextID), "kind", fmt.Sprintf("%s (version %d)", d.Kind, d.Version),
		"time", d.Time.Format("2006-01-02T15:04:05.999999999Z07:00"), "author", p.ID(d.Author),
		"writer", fmt.Sprintf("%s, number %d", d.Incarnation, d.Seq),
		"parents", p.IDs(d.Parents), "missing", p.IDs(d.Missing), "children", strconv.FormatUint(uint64(d.Children), 10),
		"verdict", verdict, "signature", Printable(d.Signature), "damage", Printable(d.Problem),
		"remarks", remarksText(&d.DeltaRow), "size", Bytes(uint64(d.Size)),
		"epoch", p.ID(d.Epoch), "keys for", Count(d.Recipients, "member"),
	)
	p.payload(d)
}

func remarksText(r *api.DeltaRow) string {
	var words []string
	for _, remark := range []struct {
		word string
		is   bool
	}{{"head", r.Head}, {"merge", r.Merge}, {"forked", r.Forked}} {
		if remark.is {
			words = append(words, remark.word)
		}
	}
	return strings.Join(words, ", ")
}

// member prints a change of the membership.
func (p Printer) member(m *api.MemberPayload) {
	if m.Revoked != nil {
		Pairs(p.W, "revoked invitation", p.ID(*m.Revoked))
	}
	if a := m.Admit; a != nil {
		cells := []string{"admitted", p.ID(a.Member), "as", Printable(a.Role)}
		if a.Invitation != nil && a.Inviter != nil {
			cells = append(cells, "invitation", p.ID(*a.Invitation), "invited by", p.ID(*a.Inviter))
		}
		Pairs(p.W, cells...)
	}
}

// payload prints what a delta says.
func (p Printer) payload(d *api.DeltaDetail) {
	said := d.Payload
	if said == nil {
		Line(p.W, "\nits payload cannot be read: %s", Printable(d.Unopened))
		return
	}
	Line(p.W, "")
	switch {
	case said.Genesis != nil:
		p.genesis(said.Genesis)
		return
	case said.Update != nil:
		u := said.Update
		Pairs(
			p.W, "application", p.ID(u.ApplicationID), "package", Printable(strings.TrimSpace(u.Package+" "+u.Version)), "code", p.ID(u.Code),
			"migration", Printable(u.MigrateMethod),
		)
		return
	}
	if m := said.Member; m != nil {
		p.member(m)
		return
	}
	var cells []string
	if c := said.Call; c != nil {
		cells = append(cells, "call", Printable(c.Method), "input", Content(&c.Input))
	}
	if a := said.Artifact; a != nil {
		cells = append(cells, "artifact", Bytes(uint64(a.Size)), "layout", strings.Join(a.Layouts, ", "))
	}
	if o := said.Operations; o != nil {
		cells = append(cells, "operations", fmt.Sprintf("%d, %s", len(o.List)+o.More, Bytes(uint64(o.Size))), "malformed", Printable(o.Malformed))
	}
	if said.GuestRoot != nil {
		cells = append(cells, "guest root", p.ID(*said.GuestRoot))
	}
	if d.Depth != nil && *d.Depth > 0 {
		cells = append(cells, "depth", fmt.Sprintf("%d, in a chain of handlers", *d.Depth))
	}
	Pairs(p.W, cells...)
	if said.Artifact != nil {
		p.actions(said.Artifact)
	}
	if said.Operations != nil {
		p.operations(said.Operations)
	}
	for _, event := range said.Events {
		handler := ""
		if event.Handler != "" {
			handler = " → " + Printable(event.Handler)
		}
		Line(p.W, "event %s%s: %s", Printable(event.Kind), handler, Content(&event.Data))
	}
}

func (p Printer) genesis(g *api.GenesisPayload) {
	rate := "no limit"
	if g.Rate > 0 {
		rate = fmt.Sprintf("%d deltas a minute", g.Rate)
	}
	Pairs(
		p.W, "application", p.ID(g.ApplicationID), "package", Printable(strings.TrimSpace(g.Package+" "+g.Version)), "code", p.ID(g.Code),
		"quota", Bytes(g.StateQuota), "rate", rate, "semantics", strconv.FormatUint(g.Semantics, 10),
	)
}

// actions prints what an artifact changes.
func (p Printer) actions(a *api.ArtifactPayload) {
	for i := range a.Actions {
		action := &a.Actions[i]
		words := []string{action.Kind, p.ID(action.ID)}
		for _, word := range []string{action.Type, action.Field, action.Storage} {
			if word != "" {
				words = append(words, Printable(word))
			}
		}
		text := strings.Join(words, "  ")
		if action.Data != nil {
			text += ": " + Content(action.Data)
		}
		Line(p.W, "%s", text)
	}
	if a.More > 0 {
		Line(p.W, "and %s more", Count(a.More, "action"))
	}
}

// operations prints what was done to collections, a line each.
func (p Printer) operations(o *api.OperationsPayload) {
	for i := range o.List {
		Line(p.W, "%s", operation(&o.List[i]))
	}
	if o.More > 0 {
		Line(p.W, "and %s more", Count(o.More, "operation"))
	}
}

// operation is one in words: "put notes/first = 1".
func operation(o *api.OperationDetail) string {
	path := make([]string, 0, len(o.Path)+1)
	for _, word := range append(slices.Clone(o.Path), o.Key, o.Element) {
		if word != "" {
			path = append(path, Printable(word))
		}
	}
	text := o.Name + " " + strings.Join(path, "/")
	if o.Name == "make" || o.Name == "insert open" {
		text += ": " + kindWord(o.Kind, o.Once)
	}
	if o.Amount != 0 {
		text += fmt.Sprintf(" by %d", o.Amount)
	}
	if o.Count != 0 {
		text += ": " + Count(o.Count, "element")
	}
	if o.Where != "" {
		text += " " + o.Where
	}
	values := make([]string, 0, len(o.Values))
	for i := range o.Values {
		values = append(values, Content(&o.Values[i]))
	}
	if o.MoreValues > 0 {
		values = append(values, fmt.Sprintf("and %d more", o.MoreValues))
	}
	if len(values) > 0 {
		text += " = " + strings.Join(values, ", ")
	}
	return text
}

// maxHex is how many bytes of a byte string that is no text are shown to people.
const maxHex = 256

// Content shows a byte string as what it is.
func Content(c *api.Content) string {
	switch {
	case c.Size == 0:
		return "nothing"
	case c.JSON != nil:
		return Printable(string(c.JSON))
	case c.Text != "":
		return strconv.Quote(c.Text)
	}
	if len(c.Bytes) > maxHex {
		return fmt.Sprintf("%d bytes: %x… (all of them with --format json)", c.Size, []byte(c.Bytes[:maxHex]))
	}
	return fmt.Sprintf("%d bytes: %x", c.Size, []byte(c.Bytes))
}
