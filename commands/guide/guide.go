package guide

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed topics
var pages embed.FS

// Topic is a page of the handbook.
type Topic struct {
	Name  string `json:"topic"`
	Title string `json:"title"`
	Text  string `json:"text,omitempty"` // the whole page, its title included
}

// Topics are all pages, by name.
func Topics() []Topic {
	entries, err := fs.ReadDir(pages, "topics")
	if err != nil {
		panic("embedded handbook: " + err.Error()) //nolint:forbidigo // it is part of the program
	}
	topics := make([]Topic, 0, len(entries))
	for _, e := range entries {
		text, err := fs.ReadFile(pages, "topics/"+e.Name())
		if err != nil {
			panic("embedded handbook: " + err.Error()) //nolint:forbidigo // it is part of the program
		}
		title, _, _ := strings.Cut(string(text), "\n")
		topics = append(topics, Topic{strings.TrimSuffix(e.Name(), ".md"), strings.TrimPrefix(title, "# "), string(text)})
	}
	return topics
}

// Names are those of all pages.
func Names() []string {
	var names []string
	for _, t := range Topics() {
		names = append(names, t.Name)
	}
	return names
}
