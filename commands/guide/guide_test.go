package guide_test

import (
	"slices"
	"strings"
	"testing"

	"mero/commands/guide"
)

// TestTopics: every page has a title, a name that can be typed, and lines that fit a
// terminal.
func TestTopics(t *testing.T) {
	topics := guide.Topics()
	if len(topics) == 0 || !slices.Contains(guide.Names(), "writing-apps") {
		t.Errorf("the handbook has %v", guide.Names())
	}
	for _, topic := range topics {
		if strings.Trim(topic.Name, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%q is not the name of a topic", topic.Name)
		}
		if topic.Title == "" || !strings.HasPrefix(topic.Text, "# "+topic.Title+"\n\n") || !strings.HasSuffix(topic.Text, "\n") {
			t.Errorf("%s does not begin with a title: %q", topic.Name, topic.Title)
		}
		for line := range strings.Lines(topic.Text) {
			if len([]rune(line)) > 90 {
				t.Errorf("%s has a long line: %s", topic.Name, line)
			}
		}
	}
}
