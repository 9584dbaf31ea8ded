package fold

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/members"
	"mero/node/store"
)

// Judge gives the verdict about a delta at its place, which is the next one. The words
// are empty for one that folds, with the effect and the payload, and say why it is void
// otherwise. An error is no verdict: history.ErrStranger, or trouble of this node. What
// is known to be long for nothing is not run again. cut is the membership in the past of
// the delta (R11).
func (s *State) Judge(ctx context.Context, d *delta.Delta, cut *members.View) (Effect, delta.State, string, error) {
	if words, known := s.outside.Verdicts.get(s, d); known {
		return Effect{}, delta.State{}, words, nil
	}
	begun := time.Now()
	done, payload, void, err := s.judge(ctx, d, cut)
	if err == nil && void != "" && time.Since(begun) > costly {
		s.outside.Verdicts.put(s.runOf(d), void)
	}
	return done, payload, void, err
}

// judge gives the verdict about a delta at its place. The reason is empty for one
// that folds and says why it is void. An error is this node's trouble.
func (s *State) judge(ctx context.Context, d *delta.Delta, cut *members.View) (Effect, delta.State, string, error) {
	key, err := s.outside.Key(d.Header().Epoch)
	if err != nil {
		return Effect{}, delta.State{}, "", fmt.Errorf("key of epoch %s: %w", d.Header().Epoch, err)
	}
	form, err := d.Payload(key)
	if err != nil {
		return Effect{}, delta.State{}, "", fmt.Errorf("%w: %w", history.ErrStranger, err)
	}
	h := d.Header()
	if h.Kind == delta.KindGenesis {
		done, err := s.judgeGenesis(form)
		return done, delta.State{}, "", err
	}
	if err := cut.Authorize(&h); err != nil {
		return Effect{}, delta.State{}, Words(err), nil
	}
	switch h.Kind {
	case delta.KindApp:
		done, void, err := s.judgeApp(ctx, d, form, cut)
		return done, delta.State{}, void, err
	case delta.KindMember:
		done, void, err := s.judgeMember(&h, form, cut)
		return done, delta.State{}, void, err
	default:
		return s.judgeState(ctx, d, form, cut)
	}
}

// judgeState gives the verdict about a change of the application's state.
func (s *State) judgeState(ctx context.Context, d *delta.Delta, form []byte, cut *members.View) (Effect, delta.State, string, error) {
	payload, err := delta.DecodeState(form)
	if errors.Is(err, delta.ErrUpgrade) {
		return Effect{}, delta.State{}, "", err
	}
	if err != nil {
		return Effect{}, delta.State{}, Words(err), nil
	}
	module, release, err := s.outside.Module(ctx, s.Rec.App)
	if err != nil {
		return Effect{}, delta.State{}, "", err
	}
	defer release()
	done, err := s.Apply(ctx, module, d, payload, cut)
	void, err := verdict(err)
	return done, payload, void, err
}

// judgeMember gives the verdict about a change of the membership. It touches no key.
// What only a newer release can read is no verdict.
func (s *State) judgeMember(h *delta.Header, form []byte, cut *members.View) (Effect, string, error) {
	m, err := delta.DecodeMember(form)
	if errors.Is(err, delta.ErrUpgrade) {
		return Effect{}, "", err
	}
	var done Effect
	if err == nil {
		done, err = s.ApplyMember(h, m, cut)
	}
	if errors.Is(err, members.ErrVersion) {
		return Effect{}, "", fmt.Errorf("%w: %w", delta.ErrUpgrade, err)
	}
	if err != nil {
		return Effect{}, Words(err), nil
	}
	return done, "", nil
}

// judgeGenesis begins the context with the application that genesis names.
func (s *State) judgeGenesis(form []byte) (Effect, error) {
	genesis, err := delta.DecodeGenesis(form)
	if err != nil {
		return Effect{}, fmt.Errorf("%w: genesis: %w", history.ErrDamaged, err) // it was read before there was a context
	}
	done := s.same()
	done.App = genesis.App
	return done, nil
}

// ApplyMember finds what a change of the membership does. Its errors are those of
// members.View.Judge.
func (s *State) ApplyMember(h *delta.Header, m delta.Member, cut *members.View) (Effect, error) {
	done := s.same()
	change, err := cut.Judge(h, m)
	done.Change = change
	return done, err
}

// verdict tells why a delta is void from trouble of this node.
func verdict(err error) (void string, trouble error) {
	var (
		verdict *VoidError
		limit   *LimitError
	)
	switch {
	case errors.As(err, &verdict):
		return Words(verdict.Cause), nil
	case errors.As(err, &limit):
		return Words(limit), nil
	}
	return "", err
}

// Words is an error as a reason at rest: one line, bounded.
func Words(err error) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	return Clip(text, store.MaxName/2)
}

// Clip is the beginning of a text, of at most limit bytes.
func Clip(text string, limit int) string {
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
