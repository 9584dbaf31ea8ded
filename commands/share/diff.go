package share

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

// DagDiff is `dag diff`.
func DagDiff() *line.Verb {
	return &line.Verb{
		Name: "diff", Args: "CONTEXT", Min: 1, Max: 1, Slow: true, Summary: "what each of two nodes lacks of a context",
		Long: "With a peer, by what both know of each writer. With the URL of another node's API, also\n" +
			"which deltas those are, the first place in the order where they part, and, where both\n" +
			"have the same deltas and another state all the same, the first keys that differ.\n" +
			"Nothing is exchanged. Ends with 0, equal or not.",
		Example: "mero dag diff notes --with http://127.0.0.1:2529",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "with", Usage: "`PEER` or URL to compare with (default: the peer that is best)"},
			&cli.StringFlag{Name: "with-token", EnvVars: []string{"MERO_WITH_TOKEN"}, Usage: "`TOKEN` for the node at that URL"},
		},
		Run: runDagDiff,
	}
}

func runDagDiff(ctx context.Context, e *line.Env) error {
	with := e.Flags.String("with")
	isURL := strings.Contains(with, "://")
	if e.Flags.IsSet("with-token") && !isURL {
		return line.Usagef("--with-token is for --with URL")
	}
	client, id, err := e.Context(ctx)
	if err != nil {
		return err
	}
	if isURL {
		other, err := api.NewClient(api.ClientConfig{URL: with, Token: e.Flags.String("with-token")})
		if err != nil {
			return line.Usagef("--with: %v", err)
		}
		return diffNodes(ctx, e, id, client, other)
	}
	d, err := client.DagDifference(ctx, id, with)
	if err != nil {
		return err
	}
	return e.Object(d, func(w io.Writer) { printDifference(e, w, &d) })
}

func printDifference(e *line.Env, w io.Writer, d *api.DagDifference) {
	switch {
	case d.Equal:
		show.Line(w, "context %s is equal here and at %s", e.ID(d.ContextID), d.Peer)
	case d.SameHeads:
		show.Line(w, "context %s has the same deltas here and at %s, and another state", e.ID(d.ContextID), d.Peer)
	default:
		show.Line(w, "context %s: %s lacks %s, this node lacks %s", e.ID(d.ContextID), d.Peer, countDeltas(d.HereOnly), countDeltas(d.ThereOnly))
	}
	printSides(e, w, d.Here, d.There)
	var rows [][]string
	for _, writer := range d.Writers {
		forked := ""
		if writer.Forked {
			forked = "forked"
		}
		rows = append(rows, []string{
			e.ID(writer.Author), writer.Incarnation, fmt.Sprint(writer.Here), fmt.Sprint(writer.There), forked,
		})
	}
	if len(rows) > 0 {
		show.Table(w, []string{"AUTHOR", "INCARNATION", "HERE", "THERE", ""}, rows)
	}
}

func printSides(e *line.Env, w io.Writer, here, there api.DagSide) {
	side := func(s api.DagSide) string {
		return fmt.Sprintf("%s, %d waiting, root %s", countDeltas(s.Deltas), s.Waiting, e.ID(s.RootHash))
	}
	show.Pairs(w, "here", side(here), "there", side(there))
}

// maxListed is how many deltas and keys are listed of a side.
const maxListed = 100

// diffDoc compares two nodes that were both asked, in json mode.
type diffDoc struct {
	ContextID ident.ContextID `json:"contextId"`
	With      string          `json:"with"`
	Equal     bool            `json:"equal"`
	SameHeads bool            `json:"sameHeads"`
	HereOnly  int             `json:"hereOnly"`
	ThereOnly int             `json:"thereOnly"`
	// FirstDifference is the first delta in canonical order that one side lacks.
	FirstDifference *lackedDelta `json:"firstDifference,omitempty"`
	// OnlyHere and OnlyThere begin what is counted above, in canonical order.
	OnlyHere  []lackedDelta `json:"onlyHere"`
	OnlyThere []lackedDelta `json:"onlyThere"`
	// Keys are the first that differ, where the deltas do not.
	Keys  []string    `json:"keys"`
	Here  api.DagSide `json:"here"`
	There api.DagSide `json:"there"`
}

type lackedDelta struct {
	ID     api.Hash        `json:"deltaId"`
	Time   time.Time       `json:"time"`
	Author ident.PublicKey `json:"author"`
}

// place compares by the canonical order (R8).
func (d lackedDelta) compare(o lackedDelta) int {
	return cmp.Or(d.Time.Compare(o.Time), strings.Compare(string(d.ID[:]), string(o.ID[:])))
}

func diffNodes(ctx context.Context, e *line.Env, id ident.ContextID, here, there *api.Client) error {
	ours, err := readGraph(ctx, here, id)
	if err != nil {
		return err
	}
	theirs, err := readGraph(ctx, there, id)
	if err != nil {
		return fmt.Errorf("%s: %w", there.URL(), err)
	}
	doc := diffDoc{
		ContextID: id, With: there.URL(), Here: ours.side, There: theirs.side, Keys: []string{},
		SameHeads: slices.Equal(ours.heads, theirs.heads),
	}
	doc.Equal = doc.SameHeads && ours.side.RootHash == theirs.side.RootHash
	doc.OnlyHere, doc.HereOnly = ours.lackedBy(theirs)
	doc.OnlyThere, doc.ThereOnly = theirs.lackedBy(ours)
	for _, list := range [][]lackedDelta{doc.OnlyHere, doc.OnlyThere} {
		if len(list) > 0 && (doc.FirstDifference == nil || list[0].compare(*doc.FirstDifference) < 0) {
			doc.FirstDifference = &list[0]
		}
	}
	if doc.SameHeads && !doc.Equal {
		if doc.Keys, err = differingKeys(ctx, id, here, there); err != nil {
			return err
		}
	}
	return e.Object(doc, func(w io.Writer) { printNodes(e, w, &doc) })
}

func printNodes(e *line.Env, w io.Writer, d *diffDoc) {
	switch {
	case d.Equal && d.HereOnly+d.ThereOnly == 0:
		show.Line(w, "context %s is equal here and at %s", e.ID(d.ContextID), d.With)
	default:
		show.Line(w, "context %s: %s lacks %s, this node lacks %s", e.ID(d.ContextID), d.With, countDeltas(uint64(d.HereOnly)), countDeltas(uint64(d.ThereOnly)))
	}
	printSides(e, w, d.Here, d.There)
	if f := d.FirstDifference; f != nil {
		show.Line(w, "they part at %s, delta %s", f.Time.Format(time.RFC3339Nano), e.ID(f.ID))
	}
	var rows [][]string
	for _, side := range []struct {
		name string
		list []lackedDelta
	}{{"here", d.OnlyHere}, {"there", d.OnlyThere}} {
		for _, delta := range side.list {
			rows = append(rows, []string{side.name, delta.Time.Format(time.RFC3339Nano), e.ID(delta.ID), e.ID(delta.Author)})
		}
	}
	if len(rows) > 0 {
		show.Table(w, []string{"ONLY", "TIME", "DELTA", "AUTHOR"}, rows)
	}
	if n := d.HereOnly + d.ThereOnly - len(rows); n > 0 {
		show.Line(w, "and %s more", countDeltas(uint64(n)))
	}
	for _, key := range d.Keys {
		show.Line(w, "differs: %s", show.Printable(key))
	}
}

// graph is what a node has of a context.
type graph struct {
	deltas map[api.Hash]lackedDelta
	heads  []api.Hash
	side   api.DagSide
}

func readGraph(ctx context.Context, client *api.Client, id ident.ContextID) (*graph, error) {
	g := &graph{deltas: map[api.Hash]lackedDelta{}}
	q := api.DagQuery{Limit: api.MaxDagPage}
	for {
		page, err := client.Dag(ctx, id, q)
		if err != nil {
			return nil, err
		}
		if s := page.Summary; s != nil {
			g.heads = slices.SortedFunc(slices.Values(s.Heads), func(a, b api.Hash) int { return strings.Compare(string(a[:]), string(b[:])) })
			g.side = api.DagSide{Deltas: uint64(s.Folded + s.Void + s.Waiting), Waiting: uint64(s.Waiting), RootHash: s.RootHash}
		}
		for i := range page.Deltas {
			row := &page.Deltas[i]
			g.deltas[row.ID] = lackedDelta{row.ID, row.Time, row.Author}
		}
		if page.Next == nil {
			return g, nil
		}
		q.After = page.Next
	}
}

// lackedBy begins, in canonical order, what another graph lacks, and counts all of it.
func (g *graph) lackedBy(other *graph) (first []lackedDelta, n int) {
	all := slices.SortedFunc(maps.Values(g.deltas), lackedDelta.compare)
	all = slices.DeleteFunc(all, func(d lackedDelta) bool {
		_, there := other.deltas[d.ID]
		return there
	})
	return all[:min(len(all), maxListed)], len(all)
}

// differingKeys walks the top of both states, which is sorted by key, and names what
// is not the same in both.
func differingKeys(ctx context.Context, id ident.ContextID, here, there *api.Client) ([]string, error) {
	keys := []string{}
	ours, theirs := newEntries(here, id), newEntries(there, id)
	a, err := ours.next(ctx)
	if err != nil {
		return nil, err
	}
	b, err := theirs.next(ctx)
	for (a != nil || b != nil) && err == nil && len(keys) < maxListed {
		var order int
		switch {
		case a == nil:
			order = 1
		case b == nil:
			order = -1
		default:
			order = strings.Compare(a.Key, b.Key)
		}
		if order != 0 || fingerprint(a) != fingerprint(b) {
			if order <= 0 {
				keys = append(keys, a.Key)
			} else {
				keys = append(keys, b.Key)
			}
		}
		if order <= 0 {
			a, err = ours.next(ctx)
		}
		if order >= 0 && err == nil {
			b, err = theirs.next(ctx)
		}
	}
	return keys, err
}

// fingerprint is what of an entry two replicas must have alike.
func fingerprint(n *api.StateNode) string {
	words := []string{n.Kind}
	if n.Length != nil {
		words = append(words, fmt.Sprint(*n.Length))
	}
	if n.Value != nil {
		words = append(words, show.Content(n.Value))
	}
	if n.Text != nil {
		words = append(words, *n.Text)
	}
	for i := range n.Entries {
		words = append(words, n.Entries[i].Key, fingerprint(&n.Entries[i]))
	}
	return strings.Join(words, "\n")
}

// entries are those at the top of a state, page after page.
type entries struct {
	client *api.Client
	id     ident.ContextID
	page   []api.StateNode
	after  string
	more   bool
}

func newEntries(client *api.Client, id ident.ContextID) *entries {
	return &entries{client: client, id: id, more: true}
}

// next is one more; nil at the end.
func (s *entries) next(ctx context.Context) (*api.StateNode, error) {
	for len(s.page) == 0 {
		if !s.more {
			return nil, nil //nolint:nilnil // the end is no error
		}
		page, err := s.client.State(ctx, s.id, api.StateQuery{After: s.after, Limit: api.MaxStatePage})
		if err != nil {
			return nil, err
		}
		s.page, s.more, s.after = page.State.Entries, page.State.More && page.State.Next != "", page.State.Next
	}
	n := &s.page[0]
	s.page = s.page[1:]
	return n, nil
}
