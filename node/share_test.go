package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mero/node"
	"mero/node/api"
	"mero/node/ident"
	"mero/node/sdk/examples"
)

// pair is two nodes, of which the first makes contexts.
type pair struct {
	one, two *running
	here     *api.Client
	there    *api.Client
	app      ident.AppID
	made     api.CreatedContext // the context of this test
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{one: start(t, home(t), config()), two: start(t, home(t), config())}
	t.Cleanup(func() { p.one.end(t); p.two.end(t) })
	p.here, p.there = p.one.client(t), p.two.client(t)
	var err error
	if p.app, err = p.here.Upload(t.Context(), bytes.NewReader(examples.KV()), api.UploadOptions{Name: "kv"}); err != nil {
		t.Fatal(err)
	}
	return p
}

// end stops a node that was not stopped.
func (r *running) end(t *testing.T) {
	t.Helper()
	if _, runs := r.home.Running(); runs {
		r.stop(t)
	}
}

// context makes another one.
func (p *pair) context(t *testing.T) {
	t.Helper()
	var err error
	p.made, err = p.here.CreateContext(t.Context(), api.CreateContextRequest{ApplicationID: p.app, InitializationParams: api.Bytes("{}")})
	if err != nil {
		t.Fatal(err)
	}
}

func home(t *testing.T) node.Home {
	t.Helper()
	h, err := node.HomeAt(t.TempDir(), "n")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// equal waits until both nodes hold the same.
func (p *pair) equal(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		rep, err := p.there.Sync(ctx, p.made.ContextID, "")
		if err == nil && rep.Equal {
			return
		}
		var answer *api.Error
		if err != nil && (!errors.As(err, &answer) || answer.Kind != api.KindNoPeer) {
			t.Fatal(err)
		}
	}
}

// TestReferenceInvitations: clients of both generations invite and join by what they
// send and carry (http-api 4.5, 10).
func TestReferenceInvitations(t *testing.T) {
	p := newPair(t)
	t.Run("directed", func(t *testing.T) {
		p.context(t)
		invitee, err := p.there.NewIdentity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		payload, _, err := p.here.ReferenceInvite(t.Context(), api.ReferenceInvite{
			ContextID: p.made.ContextID, InviterID: p.made.MemberPublicKey, InviteeID: &invitee,
		})
		if err != nil || payload == nil {
			t.Fatal(payload, err)
		}
		if parsed, err := api.ParseDirectedPayload(*payload); err != nil || parsed.Context != p.made.ContextID || parsed.Invitee != invitee {
			t.Errorf("the payload says %+v (%v)", parsed, err)
		}
		p.join(t, api.ReferenceJoin{InvitationPayload: payload}, &invitee)
		p.post(t, "/admin-api/contexts/sync", http.StatusOK, `{"data":null}`)
		p.post(t, "/admin-api/contexts/sync/"+p.made.ContextID.String(), http.StatusOK, `{"data":null}`)
		p.post(t, "/admin-api/contexts/sync/nonsense", http.StatusBadRequest, "")
		p.post(t, "/admin-api/contexts/sync/"+invitee.String(), http.StatusNotFound, `{"error":"Context not found"}`)
	})
	t.Run("open, 2025", func(t *testing.T) {
		p.context(t)
		minute := uint64(60)
		p.open(t, api.ReferenceInvite{ContextID: p.made.ContextID, InviterID: p.made.MemberPublicKey, ValidForBlocks: &minute})
	})
	t.Run("open, 2026", func(t *testing.T) {
		p.context(t)
		minute := uint64(60)
		p.open(t, api.ReferenceInvite{ContextID: p.made.ContextID, InviterID: p.made.MemberPublicKey, ValidForSeconds: &minute})
	})
	t.Run("a context that is not here", func(t *testing.T) {
		p.context(t)
		payload, open, err := p.there.ReferenceInvite(t.Context(), api.ReferenceInvite{ContextID: p.made.ContextID, InviterID: p.made.MemberPublicKey})
		if payload != nil || open != nil || err != nil {
			t.Errorf("got %v, %v, %v; want null", payload, open, err)
		}
		_, err = p.there.ReferenceJoin(t.Context(), api.ReferenceJoin{})
		wantKind(t, err, api.KindInvalid)
		word := "nonsense"
		_, err = p.there.ReferenceJoin(t.Context(), api.ReferenceJoin{InvitationPayload: &word})
		wantKind(t, err, api.KindInvitationGarbled)
	})
}

// post sends what meroctl does, and compares the answer, if one is given.
func (p *pair) post(t *testing.T, path string, status int, want string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.there.URL()+path, strings.NewReader("null"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.two.home.Token())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || want != "" && string(body) != want {
		t.Errorf("%s: got %d %s, %v; want %d %s", path, resp.StatusCode, body, err, status, want)
	}
}

func wantKind(t *testing.T, err error, kind string) {
	t.Helper()
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Kind != kind {
		t.Errorf("got %v, want the kind %s", err, kind)
	}
}

// open invites and joins by an open invitation that went through a client as JSON.
func (p *pair) open(t *testing.T, req api.ReferenceInvite) {
	t.Helper()
	_, open, err := p.here.ReferenceInvite(t.Context(), req)
	if err != nil || open == nil {
		t.Fatal(open, err)
	}
	doc, err := json.Marshal(open)
	if err != nil {
		t.Fatal(err)
	}
	member, err := p.there.NewIdentity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := ident.PublicKey{1}
	_, err = p.there.ReferenceJoin(t.Context(), api.ReferenceJoin{Invitation: doc, NewMemberPublicKey: &other})
	wantKind(t, err, api.KindIdentityNotFound)
	p.join(t, api.ReferenceJoin{Invitation: doc, NewMemberPublicKey: &member}, &member)
}

// join joins, twice, and then both write.
func (p *pair) join(t *testing.T, req api.ReferenceJoin, member *ident.PublicKey) {
	t.Helper()
	want := api.CreatedContext{ContextID: p.made.ContextID, MemberPublicKey: *member}
	for range 2 {
		if joined, err := p.there.ReferenceJoin(t.Context(), req); err != nil || joined != want {
			t.Fatalf("got %+v, %v; want %+v", joined, err, want)
		}
	}
	p.equal(t)
	_, err := p.there.Execute(t.Context(), api.ExecuteParams{
		ContextID: p.made.ContextID, ExecutorPublicKey: *member, Method: "set", ArgsJSON: json.RawMessage(`{"key":"k","value":"v"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.equal(t)
	got, err := p.here.Execute(t.Context(), api.ExecuteParams{
		ContextID: p.made.ContextID, ExecutorPublicKey: p.made.MemberPublicKey, Method: "get", ArgsJSON: json.RawMessage(`{"key":"k"}`),
	})
	if err != nil || string(got.Output) != `"v"` {
		t.Errorf("got %s, %v", got.Output, err)
	}
	for _, client := range []*api.Client{p.here, p.there} {
		if members, err := client.Members(t.Context(), p.made.ContextID); err != nil || len(members) != 2 {
			t.Errorf("members %+v, %v", members, err)
		}
		if n, err := client.PeerCount(t.Context()); err != nil || n != 1 {
			t.Errorf("%d peers, %v", n, err)
		}
	}
}

// TestJoinFails: who cannot join tries again as the same key, which a lost answer may
// have made a member; and makes no key for each attempt.
func TestJoinFails(t *testing.T) {
	p := newPair(t)
	p.context(t)
	var words [2]string
	for i := range words {
		made, err := p.here.Invite(t.Context(), p.made.ContextID, api.InviteRequest{})
		if err != nil {
			t.Fatal(err)
		}
		words[i] = made.Invitation
	}
	p.one.stop(t)
	for _, word := range []string{words[0], words[0], words[1]} {
		_, err := p.there.Join(t.Context(), api.JoinRequest{Invitation: word})
		wantKind(t, err, api.KindUnreachable)
	}
	p.two.stop(t)
	err := node.WithStopped(t.Context(), p.two.home, config(), func(s *node.Stopped) error {
		list, err := s.Store.Identities(ident.ContextID{})
		if len(list) != 2 {
			t.Errorf("%d keys, want one for each invitation", len(list))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMeetByMDNS: the invitation's addresses are those of before, and there is no entry
// point.
func TestMeetByMDNS(t *testing.T) {
	cfg := config()
	cfg.Network.MDNS = true
	p := &pair{one: start(t, home(t), cfg), two: start(t, home(t), cfg)}
	t.Cleanup(func() { p.one.end(t); p.two.end(t) })
	p.here, p.there = p.one.client(t), p.two.client(t)
	var err error
	if p.app, err = p.here.Upload(t.Context(), bytes.NewReader(examples.KV()), api.UploadOptions{Name: "kv"}); err != nil {
		t.Fatal(err)
	}
	p.context(t)
	made, err := p.here.Invite(t.Context(), p.made.ContextID, api.InviteRequest{})
	if err != nil {
		t.Fatal(err)
	}
	p.one.stop(t)
	p.one = start(t, p.one.home, cfg)
	p.here = p.one.client(t)
	deadline, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for n := 0; n == 0; {
		if n, err = p.there.PeerCount(deadline); err != nil {
			t.Skipf("multicast does not reach the nodes of this machine: %v", err)
		}
	}
	if _, err := p.there.Join(t.Context(), api.JoinRequest{Invitation: made.Invitation}); err != nil {
		t.Fatal(err)
	}
	p.equal(t)
}
