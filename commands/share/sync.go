package share

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

// SyncNow is `sync now`.
func SyncNow() *line.Verb {
	return &line.Verb{
		Name: "now", Args: "[CONTEXT]", Max: 1, Summary: "exchange deltas with a peer now",
		Long: "Nodes do so by themselves; this is for who does not want to wait. With --wait it goes on\n" +
			"until folded heads and roots are equal, and else says what is missing, from whom, and\n" +
			"when it is tried next. Without it, one session is all, equal or not.",
		Example: "mero sync now notes --wait",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "all contexts, one after another"},
			&cli.StringFlag{Name: "peer", Usage: "`PEER` to exchange with (default: who is best)"},
			&cli.BoolFlag{Name: "wait", Usage: "until both are equal, at most 60s or --timeout"},
		},
		Run: runSyncNow,
	}
}

func runSyncNow(ctx context.Context, e *line.Env) error {
	all := e.Flags.Bool("all")
	if all == (len(e.Args) == 1) {
		return line.Usagef("mero sync now wants CONTEXT, or --all")
	}
	client, err := e.Client()
	if err != nil {
		return err
	}
	var ids []ident.ContextID
	if all {
		contexts, err := client.Contexts(ctx)
		if err != nil {
			return err
		}
		for _, c := range contexts {
			ids = append(ids, c.ID)
		}
	} else {
		id, err := e.ContextID(ctx, client, e.Arg(0))
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	var failed error
	for _, id := range ids {
		if err := syncOne(ctx, e, client, id); err != nil && failed == nil {
			failed = err // the others are worth trying
		}
	}
	return failed
}

// syncOne exchanges one context and prints how that ended.
func syncOne(ctx context.Context, e *line.Env, client *api.Client, id ident.ContextID) error {
	peer := e.Flags.String("peer")
	rep, err := client.Sync(ctx, id, peer)
	if e.Flags.Bool("wait") {
		rep, err = untilEqual(ctx, client, id, peer, rep, err)
	}
	if rep == nil {
		return err
	}
	return errors.Join(e.Object(rep, func(w io.Writer) { printReport(e, w, rep) }), err)
}

// The waits between two sessions while somebody waits.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 2 * time.Second
)

// untilEqual repeats sessions until both sides are equal, or ctx ends; the error then
// says what is missing.
func untilEqual(ctx context.Context, client *api.Client, id ident.ContextID, peer string, last *api.SyncReport, err error) (*api.SyncReport, error) {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		switch {
		case err == nil && last.Equal:
			return last, nil
		case err != nil && ctx.Err() == nil && !isNoPeer(err):
			return last, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		if ctx.Err() != nil {
			return last, notEqual(ctx, id, last, err)
		}
		rep, nextErr := client.Sync(ctx, id, peer)
		if nextErr == nil {
			last = rep
		}
		err = nextErr
	}
}

func isNoPeer(err error) bool {
	var answer *api.Error
	return errors.As(err, &answer) && answer.Kind == api.KindNoPeer
}

// notEqual says why both were not equal in time.
func notEqual(ctx context.Context, id ident.ContextID, last *api.SyncReport, err error) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	failed := &line.FailedError{Code: line.ExitTimeout, Text: "context " + id.String() + " is not equal yet", Hint: "see mero sync status; give it longer with --timeout", Cause: err}
	switch {
	case last != nil:
		failed.Text += " with peer " + last.Peer + ": " + why(last)
	case isNoPeer(err):
		failed.Text += ": no member's node is connected"
		failed.Hint = "see mero node peers, and mero context members"
	}
	return failed
}

// why says what keeps two replicas from being equal.
func why(rep *api.SyncReport) string {
	words := []string{show.Printable(rep.Reason)}
	if rep.Reason == "" {
		words[0] = rep.Outcome
	}
	if n := len(rep.Missing); n > 0 {
		words = append(words, fmt.Sprintf("%s missing, first %s", countDeltas(uint64(n)), rep.Missing[0]))
	}
	if rep.Waiting > 0 {
		words = append(words, countDeltas(rep.Waiting)+" waiting"+waitingFor(rep.WaitingFor))
	}
	if rep.NextTry != nil {
		words = append(words, "next try "+show.Time(*rep.NextTry))
	}
	return strings.Join(words, "; ")
}

func countDeltas(n uint64) string { return show.Count(int(min(n, 1<<31)), "delta") }

func waitingFor(what map[string]int) string {
	if len(what) == 0 {
		return ""
	}
	var words []string
	for word, n := range what {
		words = append(words, fmt.Sprintf("%d for %s", n, word))
	}
	slices.Sort(words)
	return " (" + strings.Join(words, ", ") + ")"
}

func printReport(e *line.Env, w io.Writer, rep *api.SyncReport) {
	state := "equal with"
	if !rep.Equal {
		state = "not equal with"
	}
	show.Line(w, "context %s is %s %s: sent %d, received %d in %s", e.ID(rep.ContextID), state, rep.Peer, rep.Sent, rep.Received, orNow(milliseconds(rep.TookMs)))
	if !rep.Equal {
		show.Line(w, "%s", why(rep))
	}
}

func orNow(text string) string {
	if text == "" {
		return "no time"
	}
	return text
}

// SyncStatus is `sync status`.
func SyncStatus() *line.Verb {
	return &line.Verb{
		Name: "status", Args: "[CONTEXT…]", Max: -1, Summary: "how contexts stand with the peers that share them",
		Example: "mero sync status",
		Run: func(ctx context.Context, e *line.Env) error {
			client, err := e.Client()
			if err != nil {
				return err
			}
			list, err := statuses(ctx, e, client)
			if err != nil {
				return err
			}
			if e.JSON {
				return line.List(e, list, nil, nil)
			}
			rows := statusRows(e, list)
			return line.List(e, rows, []string{"CONTEXT", "PEER", "STATE", "SINCE", "LAST SESSION", "NEXT TRY"}, func(cells []string) []string { return cells })
		},
	}
}

// statuses are those of the contexts that the arguments name, or of all.
func statuses(ctx context.Context, e *line.Env, client *api.Client) ([]api.SyncStatus, error) {
	words, err := e.IDs()
	if err != nil {
		return nil, err
	}
	var ids []ident.ContextID
	for _, word := range words {
		id, err := e.ContextID(ctx, client, word)
		if err != nil {
			return nil, err
		}
		if _, err := client.Context(ctx, id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	list, err := client.SyncStatus(ctx)
	if err != nil || len(ids) == 0 {
		return list, err
	}
	return slices.DeleteFunc(list, func(s api.SyncStatus) bool { return !slices.Contains(ids, s.ContextID) }), nil
}

func statusRows(e *line.Env, list []api.SyncStatus) [][]string {
	var rows [][]string
	for i := range list {
		s := &list[i]
		if len(s.Peers) == 0 {
			state := "no member's node is known"
			if len(s.Fetching) > 0 {
				state += ", wanted: " + strings.Join(s.Fetching, ", ")
			}
			rows = append(rows, []string{e.ID(s.ContextID), "", state, "", "", ""})
		}
		for j := range s.Peers {
			l := &s.Peers[j]
			state, since := linkState(l)
			last, next := "", ""
			if l.Last != nil {
				last = show.Time(l.Last.StartedAt) + " " + l.Last.Outcome
				if l.Last.Reason != "" {
					last += ": " + show.Printable(l.Last.Reason)
				}
			}
			if l.NextTry != nil {
				next = show.Time(*l.NextTry)
			}
			rows = append(rows, []string{e.ID(s.ContextID), l.Peer, state, since, last, next})
		}
	}
	return rows
}

func linkState(l *api.SyncLink) (state, since string) {
	switch {
	case !l.Connected:
		return "not connected", ""
	case l.Syncing:
		return "exchanging", milliseconds(l.LagMs)
	case l.Failures > 0:
		return fmt.Sprintf("failing (%d)", l.Failures), milliseconds(l.LagMs)
	case l.Equal:
		return "equal", ""
	}
	return "behind", milliseconds(l.LagMs)
}

// SyncWatch is `sync watch`.
func SyncWatch() *line.Verb {
	return &line.Verb{
		Name: "watch", Args: "[CONTEXT…]", Max: -1, Slow: true, Summary: "follow how contexts stand with their peers",
		Long:    "Prints a line whenever something has changed, until it is interrupted. It goes on when\nthe node was started again.",
		Example: "mero sync watch notes",
		Run:     runSyncWatch,
	}
}

// watchTime is how often the node is asked.
const watchTime = 500 * time.Millisecond

func runSyncWatch(ctx context.Context, e *line.Env) error {
	shown := map[ident.ContextID]string{}
	tick := time.NewTicker(watchTime)
	defer tick.Stop()
	answered := false
	for {
		client, err := e.Client()
		var list []api.SyncStatus
		if err == nil {
			list, err = statuses(ctx, e, client)
		}
		switch {
		case err == nil:
			answered = true
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !answered || line.Code(ctx, err) != line.ExitNoNode:
			return err
		}
		for i := range list {
			s := &list[i]
			text := watchText(s)
			if shown[s.ContextID] == text {
				continue
			}
			shown[s.ContextID] = text
			err := e.Object(s, func(w io.Writer) {
				show.Line(w, "%s %s %s", time.Now().Format(time.TimeOnly), e.ID(s.ContextID), text)
			})
			if err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watchText is how a context stands, without what changes all the time.
func watchText(s *api.SyncStatus) string {
	words := []string{fmt.Sprintf("%d deltas, %d waiting, root %s, %d of %d peers connected", s.Deltas, s.Waiting, show.ID(s.RootHash, true), s.Connected, len(s.Peers))}
	if s.Equal {
		words = append(words, "all equal")
	}
	for i := range s.Peers {
		if l := &s.Peers[i]; l.Connected && !l.Equal {
			state, _ := linkState(l)
			words = append(words, l.Peer+" "+state)
		}
	}
	if len(s.Fetching) > 0 {
		words = append(words, "fetching "+strings.Join(s.Fetching, ", "))
	}
	return strings.Join(words, "; ")
}
