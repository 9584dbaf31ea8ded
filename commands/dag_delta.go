package commands

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"mero/node/api"
)

// delta prints one delta with all that is known of it.
func (e *env) delta(d *api.DeltaDetail) error {
	return e.object(d, func(w io.Writer) {
		verdict := d.Fate
		switch {
		case d.Fate == api.FateWaiting:
			verdict = waitText(&d.DeltaRow)
		case d.Reason != "":
			verdict += ": " + printable(d.Reason)
		}
		pairs(
			w, "delta", e.id(d.ID), "context", e.id(d.ContextID), "kind", fmt.Sprintf("%s (version %d)", d.Kind, d.Version),
			"time", d.Time.Format("2006-01-02T15:04:05.999999999Z07:00"), "author", e.id(d.Author),
			"writer", fmt.Sprintf("%s, number %d", d.Incarnation, d.Seq),
			"parents", e.idList(d.Parents), "missing", e.idList(d.Missing), "children", strconv.FormatUint(uint64(d.Children), 10),
			"verdict", verdict, "signature", printable(d.Signature), "damage", printable(d.Problem),
			"remarks", remarksText(&d.DeltaRow), "size", bytesText(uint64(d.Size)),
			"epoch", e.id(d.Epoch), "keys for", count(d.Recipients, "member"),
		)
		e.payload(w, d)
	})
}

// idList puts ids under each other, in the second column of pairs.
func (e *env) idList(ids []api.Hash) string {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, e.id(id))
	}
	return strings.Join(words, "\n\t")
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

// payload prints what a delta says.
func (e *env) payload(w io.Writer, d *api.DeltaDetail) {
	p := d.Payload
	if p == nil {
		line(w, "\nits payload cannot be read: %s", printable(d.Unopened))
		return
	}
	line(w, "")
	if g := p.Genesis; g != nil {
		rate := "no limit"
		if g.Rate > 0 {
			rate = fmt.Sprintf("%d deltas a minute", g.Rate)
		}
		pairs(
			w, "application", e.id(g.ApplicationID), "package", printable(strings.TrimSpace(g.Package+" "+g.Version)), "code", e.id(g.Code),
			"quota", bytesText(g.StateQuota), "rate", rate, "semantics", strconv.FormatUint(g.Semantics, 10),
		)
		return
	}
	var cells []string
	if c := p.Call; c != nil {
		cells = append(cells, "call", printable(c.Method), "input", contentText(&c.Input))
	}
	if a := p.Artifact; a != nil {
		cells = append(cells, "artifact", bytesText(uint64(a.Size)), "layout", strings.Join(a.Layouts, ", "))
	}
	if p.GuestRoot != nil {
		cells = append(cells, "guest root", e.id(*p.GuestRoot))
	}
	if d.Depth != nil && *d.Depth > 0 {
		cells = append(cells, "depth", fmt.Sprintf("%d, in a chain of handlers", *d.Depth))
	}
	pairs(w, cells...)
	if p.Artifact != nil {
		e.actions(w, p.Artifact)
	}
	for _, event := range p.Events {
		handler := ""
		if event.Handler != "" {
			handler = " → " + printable(event.Handler)
		}
		line(w, "event %s%s: %s", printable(event.Kind), handler, contentText(&event.Data))
	}
}

// actions prints what an artifact changes.
func (e *env) actions(w io.Writer, a *api.ArtifactPayload) {
	for i := range a.Actions {
		action := &a.Actions[i]
		words := []string{action.Kind, e.id(action.ID)}
		for _, word := range []string{action.Type, action.Field, action.Storage} {
			if word != "" {
				words = append(words, printable(word))
			}
		}
		text := strings.Join(words, "  ")
		if action.Data != nil {
			text += ": " + contentText(action.Data)
		}
		line(w, "%s", text)
	}
	if a.More > 0 {
		line(w, "and %s more", count(a.More, "action"))
	}
}

// maxHex is how many bytes of a byte string that is no text are shown to people.
const maxHex = 256

// contentText shows a byte string as what it is.
func contentText(c *api.Content) string {
	switch {
	case c.Size == 0:
		return "nothing"
	case c.JSON != nil:
		return printable(string(c.JSON))
	case c.Text != "":
		return strconv.Quote(c.Text)
	}
	if len(c.Bytes) > maxHex {
		return fmt.Sprintf("%d bytes: %x… (all of them with --format json)", c.Size, []byte(c.Bytes[:maxHex]))
	}
	return fmt.Sprintf("%d bytes: %x", c.Size, []byte(c.Bytes))
}
