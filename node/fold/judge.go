package fold

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/store"
)

// Judge gives the verdict about a delta at its place, which is the next one. The words
// are empty for one that folds, with the effect and the payload, and say why it is void
// otherwise. An error is no verdict: history.ErrStranger, or trouble of this node. What
// is known to be long for nothing is not run again.
func (s *State) Judge(ctx context.Context, d *delta.Delta) (Effect, delta.State, string, error) {
	if words, known := s.outside.Verdicts.get(s, d); known {
		return Effect{}, delta.State{}, words, nil
	}
	begun := time.Now()
	done, payload, void, err := s.judge(ctx, d)
	if err == nil && void != "" && time.Since(begun) > costly {
		s.outside.Verdicts.put(s.runOf(d), void)
	}
	return done, payload, void, err
}

// judge gives the verdict about a delta at its place. The reason is empty for one
// that folds and says why it is void. An error is this node's trouble.
func (s *State) judge(ctx context.Context, d *delta.Delta) (Effect, delta.State, string, error) {
	key, err := s.outside.Key(d.Header().Epoch)
	if err != nil {
		return Effect{}, delta.State{}, "", fmt.Errorf("key of epoch %s: %w", d.Header().Epoch, err)
	}
	form, err := d.Payload(key)
	if err != nil {
		return Effect{}, delta.State{}, "", fmt.Errorf("%w: %w", history.ErrStranger, err)
	}
	if d.Header().Kind == delta.KindGenesis {
		done, err := s.judgeGenesis(form)
		return done, delta.State{}, "", err
	}
	if d.Header().Kind == delta.KindApp {
		done, void, err := s.judgeApp(ctx, d, form)
		return done, delta.State{}, void, err
	}
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
	done, err := s.Apply(ctx, module, d, payload)
	void, err := verdict(err)
	return done, payload, void, err
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
