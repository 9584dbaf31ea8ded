package commands_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mero/commands/guide"
)

// guideScript makes a page of the handbook a program for a shell: `guide TOPIC FILE`.
func guideScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: guide TOPIC FILE")
	}
	for _, topic := range guide.Topics() {
		if topic.Name == args[0] {
			script, err := asScript(topic.Text)
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(script), 0o600))
			return
		}
	}
	ts.Fatalf("there is no page %s", args[0])
}

// asScript: what stands in fences of sh is in the program as it is. A fence of go is
// a file, or a part of one; the paragraph before it ends with the file's name:
// "`notes.go`:". A part stands in the place of what begins with the same line in that
// file and ends with a brace alone.
func asScript(text string) (string, error) {
	var script strings.Builder
	before, rest, ok := strings.Cut(text, "\n```")
	for n := 1; ok; n++ {
		kind, body, _ := strings.Cut(rest, "\n")
		var block string
		if block, rest, ok = strings.Cut(body, "\n```\n"); !ok {
			return "", fmt.Errorf("block %d has no end", n)
		}
		switch kind {
		case "sh":
			script.WriteString(block + "\n")
		case "go":
			file, named := lastQuoted(before)
			if !named {
				return "", fmt.Errorf("the text before block %d does not name a file at its end", n)
			}
			fmt.Fprintf(&script, "cat >block <<'END OF BLOCK'\n%s\nEND OF BLOCK\n", block)
			if strings.HasPrefix(block, "package ") {
				fmt.Fprintf(&script, "mv block %s\n", file)
			} else {
				fmt.Fprintf(&script, replace, file)
			}
		default:
			return "", fmt.Errorf("block %d is of %q, not of sh or go", n, kind)
		}
		before, rest, ok = strings.Cut(rest, "\n```")
	}
	return script.String(), nil
}

// replace puts the file block in its place in a file, or fails.
const replace = `file=%s
awk 'NR == FNR { block = block $0 "\n"; if (FNR == 1) first = $0; next }
	$0 == first { printf "%%s", block; skip = done = 1 }
	!skip { print }
	$0 == "}" { skip = 0 }
	END { exit !done }' block "$file" >file.new
mv file.new "$file"
rm block
`

// lastQuoted is the word in backquotes at the end of a text, before a colon.
func lastQuoted(text string) (word string, ok bool) {
	text, ok = strings.CutSuffix(strings.TrimRight(text, "\n"), "`:")
	return text[strings.LastIndex(text, "`")+1:], ok
}

// TestAsScript: a page that cannot be followed is not half followed.
func TestAsScript(t *testing.T) {
	for text, want := range map[string]string{
		"a\n```sh\nmero x\n```\nb\n":                     "mero x\n",
		"a\n```sh\nmero x\n":                             "block 1 has no end",
		"a\n```sh\nmero x\n```\nb\n```text\nmore\n```\n": "block 2 is of \"text\"",
		"in `f.go`\n\n```go\npackage main\n```\n":        "does not name a file at its end",
		"in `f.go`:\n\n```go\npackage main\n```\n":       "cat >block <<'END OF BLOCK'\npackage main\nEND OF BLOCK\nmv block f.go\n",
	} {
		got, err := asScript(text)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}
