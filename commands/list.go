package commands

import (
	"fmt"

	"mero/commands/show"
)

// list prints values: in json mode one object a line, else a table.
func list[T any](e *env, items []T, head []string, row func(T) []string) error {
	if e.json {
		for _, item := range items {
			if err := e.object(item, nil); err != nil {
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
	show.Table(sticky{e}, head, rows)
	return e.failed
}

// id is how an id is shown to people.
func (e *env) id(id fmt.Stringer) string { return show.ID(id, e.short) }

// show prints for people.
func (e *env) show() show.Printer { return show.Printer{W: sticky{e}, Short: e.short} }
