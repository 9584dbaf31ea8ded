package commands

import (
	"context"
	"io"
	"slices"
	"strconv"

	"mero/commands/guide"
	"mero/node"
)

func handbook() *verb {
	return &verb{
		name: "guide", args: "[TOPIC]", max: 1, summary: "the handbook: its topics, or the page of one",
		long:    "Pages are Markdown, which reads well as it is: mero guide TOPIC | less.",
		example: "mero guide writing-apps",
		run: func(_ context.Context, e *env) error {
			topics := guide.Topics()
			if len(e.args) == 0 {
				for i := range topics {
					topics[i].Text = ""
				}
				return list(e, topics, []string{"TOPIC", "TITLE"}, func(t guide.Topic) []string { return []string{t.Name, t.Title} })
			}
			i := slices.IndexFunc(topics, func(t guide.Topic) bool { return t.Name == e.arg(0) })
			if i < 0 {
				return &usageError{text: "the handbook has no page " + strconv.Quote(e.arg(0)), nearest: node.Nearest(e.arg(0), guide.Names())}
			}
			_, err := io.WriteString(e.out, topics[i].Text) // as it is in either mode
			return err
		},
	}
}
