package line

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/show"
)

// CompleteWord is the hidden command that the scripts of shells ask: the words
// typed so far follow, the last one perhaps empty.
const CompleteWord = "__complete"

// flagValues are the words that some flags take.
func flagValues(name string) []string {
	switch name {
	case "output":
		return []string{"human", "json"}
	case "auth":
		return []string{"token", "none"}
	case "role":
		return []string{"admin", "member", "read-only"}
	case "node-type":
		return []string{"peer", "coordinator"}
	case "format":
		return []string{"tree", "json"}
	case "kind", "k":
		return []string{"context", "application", "identity"}
	}
	return nil
}

// complete prints what the last of the words may become, one a line; nothing
// where only the user knows.
func complete(e *Env, t *Tree, words []string) error {
	last := ""
	if len(words) > 0 {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	done, v, _ := sortArgs(t, words) // a half typed line is allowed to be wrong
	own := []cli.Flag(nil)
	if v != nil {
		own = v.Flags
	}
	var found []string
	switch name, isFlag := openFlag(words); {
	case isFlag && findFlag(name, t.globals, own) != nil && TakesValue(findFlag(name, t.globals, own)):
		found = flagValues(name)
	case strings.HasPrefix(last, "-"):
		found = flagWords(own, t.globals)
	case v != nil && len(done.args) == 0:
		found = v.words()
	case v != nil:
	case len(done.path) == 0:
		found = t.words()
	default:
		found = t.group(done.path[0]).words()
	}
	slices.Sort(found)
	w := e.Writer()
	for _, word := range found {
		if strings.HasPrefix(word, last) {
			show.Line(w, "%s", word)
		}
	}
	return e.Failed()
}

// openFlag is the flag at the end of the words, whose value comes next.
func openFlag(words []string) (string, bool) {
	if len(words) == 0 || !strings.HasPrefix(words[len(words)-1], "-") || strings.Contains(words[len(words)-1], "=") {
		return "", false
	}
	return strings.TrimLeft(words[len(words)-1], "-"), true
}
