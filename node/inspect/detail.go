package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"mero/node/api"
	"mero/node/artifact"
	"mero/node/collections"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// Delta describes one delta: its header, whether its author signed it, what became
// of it and why, and what it says. Errors: ErrContextNotFound, ErrDeltaNotFound,
// those of the store.
func (i *Inspector) Delta(ctx context.Context, id ident.ContextID, which api.Hash) (api.DeltaDetail, error) {
	view, err := i.view(id)
	if err != nil {
		return api.DeltaDetail{}, err
	}
	defer view.Close()
	rec, err := view.Delta(delta.ID(which))
	if errors.Is(err, store.ErrNotFound) {
		return api.DeltaDetail{}, fmt.Errorf("%w: %s", ErrDeltaNotFound, which)
	}
	if err != nil {
		return api.DeltaDetail{}, fmt.Errorf("read delta %s: %w", which, err)
	}
	x, err := i.index(ctx, view, nil)
	if err != nil {
		return api.DeltaDetail{}, err
	}
	at := x.find(rec.ID)
	if at < 0 {
		return api.DeltaDetail{}, fmt.Errorf("%w: %s", ErrDeltaNotFound, which)
	}
	r := newReader(view, x)
	row, d := r.describe(&x.entries[at], &rec)
	detail := api.DeltaDetail{DeltaRow: row, ContextID: id, Signature: signature(rec.Bytes)}
	if h, _, err := delta.HeaderOf(rec.Bytes); err == nil {
		detail.Version, detail.Epoch = h.Version, api.Hash(h.Epoch)
	}
	if d == nil {
		detail.Unopened = row.Problem
		if row.Problem == "" {
			detail.Unopened = delta.ErrUpgrade.Error()
		}
		return detail, nil
	}
	detail.Recipients = len(d.Wraps())
	payload, why, err := r.open(d)
	if err != nil || payload == nil {
		detail.Unopened = why
		return detail, err
	}
	detail.Payload = payloadShape(payload, view.Context().Layouts)
	events, depth := len(payload.state.Events), int(payload.state.Depth)
	detail.Events, detail.Depth = &events, &depth
	return detail, nil
}

// signature checks bytes as if they had just come.
func signature(raw []byte) string {
	_, err := delta.Open(raw)
	if err == nil || errors.Is(err, delta.ErrUpgrade) {
		return api.SignatureGood
	}
	return err.Error()
}

// payloadShape is a payload for people; pinned are the layouts of the application.
func payloadShape(p *opened, pinned uint16) *api.DeltaPayload {
	if g := p.genesis; g != nil {
		return &api.DeltaPayload{Genesis: &api.GenesisPayload{
			Semantics: g.Semantics, ApplicationID: g.App, Code: api.Hash(g.Code), Package: g.Package, Version: g.Version,
			StateQuota: g.StateQuota, Rate: g.Rate,
		}}
	}
	if a := p.update; a != nil {
		return &api.DeltaPayload{Update: updateShape(a)}
	}
	if p.member != nil {
		return &api.DeltaPayload{Member: memberShape(p.member)}
	}
	out := &api.DeltaPayload{}
	switch s := &p.state; {
	case s.Call != nil:
		out.Call = &api.CallDetail{Method: s.Call.Method, Input: content(s.Call.Input)}
	case len(s.Ops) > 0:
		out.Operations = Operations(s.Ops)
	case len(s.Artifact) > 0:
		out.Artifact = artifactShape(s.Artifact, pinned)
	}
	if p.state.GuestRoot != [32]byte{} {
		guestRoot := api.Hash(p.state.GuestRoot)
		out.GuestRoot = &guestRoot
	}
	for _, e := range p.state.Events {
		out.Events = append(out.Events, api.EventDetail{Kind: e.Kind, Data: content(e.Data), Handler: e.Handler})
	}
	return out
}

func memberShape(m *delta.Member) *api.MemberPayload {
	if m.Admit == nil {
		revoked := api.Hash(*m.Revoke)
		return &api.MemberPayload{Revoked: &revoked}
	}
	out := &api.AdmitPayload{Member: m.Admit.Key, Role: members.Role(m.Admit.Role).String()}
	if inv, err := members.DecodeInvitation(m.Admit.Invitation); err == nil {
		id := api.Hash(inv.ID())
		out.Invitation, out.Inviter = &id, &inv.Issuer
	}
	return &api.MemberPayload{Admit: out}
}

// Operations tells operations on collections, as a delta carries them, at most
// api.MaxActionList of them.
func Operations(ops []byte) *api.OperationsPayload {
	out := &api.OperationsPayload{Size: len(ops), List: []api.OperationDetail{}}
	list, more, err := collections.Describe(ops, api.MaxActionList)
	if err != nil {
		out.Malformed = err.Error()
		return out
	}
	out.More = more
	for i := range list {
		out.List = append(out.List, operationShape(&list[i]))
	}
	return out
}

func operationShape(o *collections.Op) api.OperationDetail {
	out := api.OperationDetail{
		Name: o.Name, Path: []string{}, Kind: kindName(o.Kind), Once: o.Flags&collections.Once != 0,
		Element: o.Element, Where: o.Where, MoreValues: o.More, Amount: o.Amount, Count: o.Count, Seen: o.Seen,
	}
	for _, l := range o.Path {
		word := l.Element
		if l.In != collections.List {
			word = keyWord(l.In, l.Key)
		}
		out.Path = append(out.Path, word)
	}
	if o.Key != nil {
		out.Key = keyWord(o.Kind, o.Key)
	}
	for _, v := range o.Values {
		out.Values = append(out.Values, content(v))
	}
	return out
}

// content makes bytes readable.
func content(data []byte) api.Content {
	out := api.Content{Size: len(data)}
	switch {
	case len(data) == 0:
	case !utf8.Valid(data):
		out.Bytes = data
	case json.Valid(data):
		out.JSON = data
	default:
		out.Text = string(data)
	}
	return out
}

// artifactShape takes an artifact apart in the first layout that it fits, of those
// that are pinned.
func artifactShape(data []byte, pinned uint16) *api.ArtifactPayload {
	out := &api.ArtifactPayload{Size: len(data), Layouts: []string{}}
	var first artifact.Layout
	for _, layout := range artifact.Layouts(data) {
		if layout.Bit()&pinned == 0 {
			continue
		}
		if first == 0 {
			first = layout
		}
		out.Layouts = append(out.Layouts, layout.String())
	}
	if first == 0 {
		return out
	}
	decoded, err := artifact.Decode(data, first)
	if err != nil { // it fits, so it decodes
		return out
	}
	shown := min(len(decoded.Actions), api.MaxActionList)
	out.More = len(decoded.Actions) - shown
	for i := range decoded.Actions[:shown] {
		out.Actions = append(out.Actions, actionShape(&decoded.Actions[i]))
	}
	return out
}

func actionShape(a *artifact.Action) api.ActionDetail {
	out := api.ActionDetail{Kind: a.Kind.String(), ID: api.Hash(a.ID), Type: a.Type, Field: a.Field}
	if len(a.Ancestors) > 0 {
		parent := api.Hash(a.Ancestors[0])
		out.Parent = &parent
	}
	if a.Kind != artifact.ActionDelete {
		data := content(a.Data)
		out.Data = &data
	}
	if at := max(a.Created, a.Updated, a.Deleted); at > 0 && at <= uint64(delta.MaxTime) {
		when := delta.Time(at).Wall()
		out.At = &when
	}
	if s := a.Storage; s != nil {
		out.Storage = s.Kind.String()
		if s.Kind == artifact.StorageUser {
			owner := s.Owner
			out.Owner = &owner
		}
	}
	return out
}

func updateShape(a *delta.App) *api.UpdatePayload {
	return &api.UpdatePayload{
		ApplicationID: a.App, Code: api.Hash(a.Code), Package: a.Package, Version: a.Version, MigrateMethod: a.Migrate,
	}
}
