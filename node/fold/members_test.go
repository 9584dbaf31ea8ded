package fold_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
)

// TestJudgeMembers: who may make which delta is judged by the membership at its cut; a
// member delta has an effect on that alone.
func TestJudgeMembers(t *testing.T) {
	w := newWorld(t)
	founder := members.Founder{Genesis: delta.ID{1}, Key: w.author.Public()}
	all := members.New(founder)
	reader := ident.NewPrivateKey()
	label := all.With(members.First, delta.ID{2}, members.Change{Admit: &members.Member{Key: reader.Public(), Role: members.ReadOnly}})
	state, err := delta.EncodeState(delta.State{Artifact: []byte("a")})
	must(t, err)
	app, err := delta.EncodeApp(delta.App{})
	must(t, err)
	revoke, err := delta.EncodeMember(delta.Member{Revoke: &[32]byte{7}})
	must(t, err)
	newer, err := delta.EncodeMember(delta.Member{Admit: &delta.Admit{Role: 3, Invitation: []byte{0xa1, 1, 2}, Request: []byte{0xa0}}})
	must(t, err)
	old, err := delta.EncodeMember(w.admission(t))
	must(t, err)
	for name, row := range map[string]struct {
		by   ident.PrivateKey
		kind delta.Kind
		form []byte
		void string // the beginning
		err  error
	}{
		"state by a stranger":       {ident.NewPrivateKey(), delta.KindState, state, "its author is not a member", nil},
		"state by a reader":         {reader, delta.KindState, state, "its author may only read", nil},
		"application by a reader":   {reader, delta.KindApp, app, "only the creator, admins and members with", nil},
		"application by its holder": {w.author, delta.KindApp, app, "", errNoCode},
		"membership by a reader":    {reader, delta.KindMember, revoke, "only the creator, admins and members with", nil},
		"garbage":                   {w.author, delta.KindMember, []byte("garbage"), "member: ", nil},
		"of a newer release":        {w.author, delta.KindMember, []byte{0xa1, 9, 1}, "", delta.ErrUpgrade},
		"a paper of a newer one":    {w.author, delta.KindMember, newer, "", delta.ErrUpgrade},
		"another context's":         {w.author, delta.KindMember, old, "invitation: it is for another context", nil},
		"revocation":                {w.author, delta.KindMember, revoke, "", nil},
	} {
		d, err := delta.Seal(delta.Header{
			Context: ident.ContextID{1}, Kind: row.kind, Parents: []delta.ID{{9}}, Author: row.by.Public(), Seq: 1, Time: delta.Tick,
		}, row.form, w.key, nil, row.by, nil)
		must(t, err)
		done, _, void, err := w.state.Judge(t.Context(), d, all.View(label))
		if !errors.Is(err, row.err) || (void == "") != (row.void == "") || !strings.HasPrefix(void, row.void) {
			t.Errorf("%s: void for %q, %v; want %q, %v", name, void, err, row.void, row.err)
		}
		if name == "revocation" && (done.Change.Revoke == nil || *done.Change.Revoke != [32]byte{7} || len(done.Out.Writes) > 0) {
			t.Errorf("%s: %+v", name, done)
		}
		if name == "revocation" { // whose context's init wrote nothing
			w.state.Rec.Initialised = false
			if w.state.Fold(d, done, ""); !w.state.Rec.Initialised {
				t.Error("calls would wait for a first state that never comes")
			}
		}
	}
}

// admission is one to a context that is not this one.
func (w *world) admission(t *testing.T) delta.Member {
	t.Helper()
	key := ident.NewPrivateKey()
	sealing, err := ident.NewSealKey()
	must(t, err)
	inv := members.Invitation{Context: ident.ContextID{2}, Role: members.Plain, Expires: time.Unix(1<<32, 0)}
	must(t, inv.Sign(w.author))
	req := members.JoinRequest{Seal: sealing.Public(), Peer: "p", Time: time.Unix(1, 0)}
	must(t, req.Sign(key, &inv))
	return delta.Member{Admit: &delta.Admit{
		Key: key.Public(), Seal: sealing.Public(), Role: uint8(members.Plain), Invitation: inv.Encode(), Request: req.Encode(),
	}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
