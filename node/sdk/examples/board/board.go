// Command board is a shared board with cards: collections in collections, and
// votes that belong to each member.
package main

import (
	"errors"
	"slices"

	"mero/node/sdk"
)

func main() {} // a library: the node calls the methods

// Boards is the state.
type Boards struct {
	Boards sdk.MapOf[Board]     // by name
	Votes  sdk.Members[sdk.Set] // of each member: keys of cards
}

// Board is one board.
type Board struct {
	Columns sdk.List[string]
	Cards   sdk.MapOf[Card] // by key
}

// Card is one card. Its text is edited by several at once.
type Card struct {
	Title  sdk.Value[string]
	Column sdk.Value[string]
	Text   sdk.Text
	Labels sdk.Set
	Tasks  sdk.ListOf[Task]
}

// Task is a line of a card's check list.
type Task struct {
	What sdk.Value[string]
	Done sdk.Value[bool]
}

func notFound(what string) error { return &sdk.Error{Kind: "NotFound", Data: what} }

// Create makes a board.
func (b *Boards) Create(name string, columns []string) error {
	if name == "" || len(columns) == 0 {
		return errors.New("a board wants a name and columns")
	}
	if b.Boards.Has(name) {
		return &sdk.Error{Kind: "Taken", Data: name}
	}
	b.Boards.At(name).Columns.Append(columns...)
	return nil
}

// AddCard puts a card into a column and gives its key.
func (b *Boards) AddCard(board, column, title string) (string, error) {
	to, err := b.board(board)
	if err != nil {
		return "", err
	}
	if !hasColumn(to, column) {
		return "", notFound(column)
	}
	key := sdk.NewKey()
	card := to.Cards.At(key)
	card.Title.Set(title)
	card.Column.Set(column)
	return key, nil
}

// Move puts a card into another column.
func (b *Boards) Move(board, card, column string) error {
	on, c, err := b.card(board, card)
	if err != nil {
		return err
	}
	if !hasColumn(on, column) {
		return notFound(column)
	}
	c.Column.Set(column)
	return nil
}

// Edit takes n characters out of a card's text and puts others there.
func (b *Boards) Edit(board, card string, at, remove int, insert string) error {
	_, c, err := b.card(board, card)
	if err == nil {
		c.Text.Remove(at, remove)
		c.Text.Insert(at, insert)
	}
	return err
}

// Label puts a label on a card, or takes it away.
func (b *Boards) Label(board, card, label string, on bool) error {
	_, c, err := b.card(board, card)
	switch {
	case err != nil:
	case on:
		c.Labels.Add(label)
	default:
		c.Labels.Remove(label)
	}
	return err
}

// AddTask puts a line at the end of a card's check list.
func (b *Boards) AddTask(board, card, what string) error {
	_, c, err := b.card(board, card)
	if err == nil {
		c.Tasks.Append().What.Set(what)
	}
	return err
}

// Tick says whether a line of the check list is done.
func (b *Boards) Tick(board, card string, task int, done bool) error {
	_, c, err := b.card(board, card)
	if err == nil {
		c.Tasks.At(task).Done.Set(done)
	}
	return err
}

// Vote gives a card the member's vote, or takes it back.
func (b *Boards) Vote(board, card string, yes bool) error {
	_, _, err := b.card(board, card)
	switch {
	case err != nil:
	case yes:
		b.Votes.Mine().Add(card)
	default:
		b.Votes.Mine().Remove(card)
	}
	return err
}

// RemoveCard takes a card away, with all that is on it.
func (b *Boards) RemoveCard(board, card string) error {
	on, _, err := b.card(board, card)
	if err == nil {
		on.Cards.Remove(card)
	}
	return err
}

// CardView is a card as it is shown.
type CardView struct {
	Key    string     `json:"key"`
	Title  string     `json:"title"`
	Column string     `json:"column"`
	Text   string     `json:"text,omitempty"`
	Labels []string   `json:"labels,omitempty"`
	Tasks  []TaskView `json:"tasks,omitempty"`
	Votes  int        `json:"votes"`
}

// TaskView is a line of a check list as it is shown.
type TaskView struct {
	What string `json:"what"`
	Done bool   `json:"done"`
}

// View is a board as it is shown.
type View struct {
	Columns []string   `json:"columns"`
	Cards   []CardView `json:"cards"`
}

// Show gives a board with its cards, the oldest first.
//
//mero:reads
func (b *Boards) Show(board string) (*View, error) {
	on, err := b.board(board)
	if err != nil {
		return nil, err
	}
	v := &View{Columns: columns(on), Cards: []CardView{}}
	for key, c := range on.Cards.All() {
		card := CardView{
			Key: key, Title: c.Title.Or(""), Column: c.Column.Or(""), Text: c.Text.String(),
			Labels: slices.Collect(c.Labels.All()), Votes: b.votes(key),
		}
		for _, task := range c.Tasks.All() {
			card.Tasks = append(card.Tasks, TaskView{task.What.Or(""), task.Done.Or(false)})
		}
		v.Cards = append(v.Cards, card)
	}
	return v, nil
}

// List gives the names of the boards.
//
//mero:reads
func (b *Boards) List() []string { return slices.Collect(b.Boards.Keys()) }

func (b *Boards) board(name string) (*Board, error) {
	if !b.Boards.Has(name) {
		return nil, notFound(name)
	}
	return b.Boards.At(name), nil
}

func (b *Boards) card(board, key string) (*Board, *Card, error) {
	on, err := b.board(board)
	if err != nil {
		return nil, nil, err
	}
	if !on.Cards.Has(key) {
		return nil, nil, notFound(key)
	}
	return on, on.Cards.At(key), nil
}

func (b *Boards) votes(card string) int {
	n := 0
	for _, of := range b.Votes.All() {
		if of.Has(card) {
			n++
		}
	}
	return n
}

func columns(b *Board) []string {
	names := []string{}
	for _, name := range b.Columns.All() {
		names = append(names, name)
	}
	return names
}

func hasColumn(b *Board, name string) bool { return slices.Contains(columns(b), name) }
