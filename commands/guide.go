package commands

import (
	"context"
	"io"
	"slices"
	"strconv"

	"mero/commands/guide"
	"mero/commands/line"
	"mero/node"
)

func handbook() *line.Verb {
	return &line.Verb{
		Name: "guide", Args: "[TOPIC]", Max: 1, Summary: "the handbook: its topics, or the page of one",
		Long:    "Pages are Markdown, which reads well as it is: mero guide TOPIC | less.",
		Example: "mero guide writing-apps",
		Words:   guide.Names,
		Run: func(_ context.Context, e *line.Env) error {
			topics := guide.Topics()
			if len(e.Args) == 0 {
				for i := range topics {
					topics[i].Text = ""
				}
				return line.List(e, topics, []string{"TOPIC", "TITLE"}, func(t guide.Topic) []string { return []string{t.Name, t.Title} })
			}
			i := slices.IndexFunc(topics, func(t guide.Topic) bool { return t.Name == e.Arg(0) })
			if i < 0 {
				return &line.UsageError{Text: "the handbook has no page " + strconv.Quote(e.Arg(0)), Nearest: node.Nearest(e.Arg(0), guide.Names())}
			}
			_, err := io.WriteString(e.Out, topics[i].Text) // as it is in either mode
			return err
		},
	}
}
