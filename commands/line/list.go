package line

import (
	"fmt"
	"io"

	"mero/commands/show"
)

// List prints values: in json mode one object a line, else a table.
func List[T any](e *Env, items []T, head []string, row func(T) []string) error {
	if e.JSON {
		for _, item := range items {
			if err := e.Object(item, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if len(items) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(items))
	for _, item := range items {
		rows = append(rows, row(item))
	}
	show.Table(e.Writer(), head, rows)
	return e.failed
}

// ID is how an id is shown to people.
func (e *Env) ID(id fmt.Stringer) string { return show.ID(id, e.Short) }

// Show prints for people.
func (e *Env) Show() show.Printer { return show.Printer{W: e.Writer(), Short: e.Short} }

// AsJSON is the environment with another form for data: --format may differ from
// --output.
func (e *Env) AsJSON(on bool) *Env {
	other := *e
	other.JSON = on
	return &other
}

// Writer is standard output; Failed tells what went wrong with it.
func (e *Env) Writer() io.Writer { return sticky{e} }

// Failed is the first failure to write to Writer.
func (e *Env) Failed() error { return e.failed }
