package commands

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/guide"
	"mero/commands/show"
	"mero/node"
)

// completeWord is the hidden command that the scripts ask: the words typed so
// far follow, the last one perhaps empty.
const completeWord = "__complete"

func completion() *verb {
	return &verb{
		name: "completion", args: "bash|zsh|fish", min: 1, max: 1, summary: "print a completion script for a shell",
		long:    "bash: source <(mero completion bash). zsh: mero completion zsh > \"${fpath[1]}/_mero\".\nfish: mero completion fish > ~/.config/fish/completions/mero.fish.",
		example: "mero completion bash",
		run: func(_ context.Context, e *env) error {
			scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
			script, ok := scripts[e.arg(0)]
			if !ok {
				return &usageError{
					text: "no completion for " + e.arg(0) + ", only for bash, zsh and fish", nearest: node.Nearest(e.arg(0), []string{"bash", "zsh", "fish"}),
				}
			}
			_, _ = io.WriteString(sticky{e}, script) // sticky remembers the error
			return e.failed
		},
	}
}

const bashCompletion = `# bash completion for mero
_mero() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}") line
    COMPREPLY=()
    while IFS= read -r line; do
        [ -n "$line" ] && COMPREPLY+=("$line")
    done < <(mero ` + completeWord + ` "${words[@]}" 2>/dev/null)
}
complete -o default -F _mero mero
`

const zshCompletion = `#compdef mero
# zsh completion for mero
_mero() {
    local -a found
    found=("${(@f)$(mero ` + completeWord + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [ -n "${found[1]}" ]; then
        compadd -- "${found[@]}"
    else
        _files
    fi
}
if [ "$funcstack[1]" = _mero ]; then _mero; else compdef _mero mero; fi
`

const fishCompletion = `# fish completion for mero
function __mero_complete
    set -l typed (commandline -opc)
    mero ` + completeWord + ` $typed[2..] (commandline -ct | string collect --allow-empty) 2>/dev/null
end
complete -c mero -a '(__mero_complete)'
`

// flagValues are the words that some flags take.
func flagValues(name string) []string {
	switch name {
	case "output":
		return []string{"human", "json"}
	case "auth":
		return []string{"token", "none"}
	case "node-type":
		return []string{"peer", "coordinator"}
	case "format":
		return []string{formatTree, formatJSON}
	case "kind", "k":
		return []string{"context", "application", "identity"}
	}
	return nil
}

// argValues are the words that some verbs take.
func argValues(verb string) []string {
	switch verb {
	case "completion":
		return []string{"bash", "zsh", "fish"}
	case "guide":
		return guide.Names()
	}
	return nil
}

// complete prints what the last of the words may become, one a line; nothing
// where only the user knows.
func complete(e *env, t *tree, words []string) error {
	last := ""
	if len(words) > 0 {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	done, v, _ := sortArgs(t, words) // a half typed line is allowed to be wrong
	own := []cli.Flag(nil)
	if v != nil {
		own = v.flags
	}
	var found []string
	switch name, isFlag := openFlag(words); {
	case isFlag && findFlag(name, t.globals, own) != nil && takesValue(findFlag(name, t.globals, own)):
		found = flagValues(name)
	case strings.HasPrefix(last, "-"):
		found = flagWords(own, t.globals)
	case v != nil && len(done.args) == 0:
		found = argValues(v.name)
	case v != nil:
	case len(done.path) == 0:
		found = t.words()
	default:
		found = t.group(done.path[0]).words()
	}
	slices.Sort(found)
	w := sticky{e}
	for _, word := range found {
		if strings.HasPrefix(word, last) {
			show.Line(w, "%s", word)
		}
	}
	return e.failed
}

// openFlag is the flag at the end of the words, whose value comes next.
func openFlag(words []string) (string, bool) {
	if len(words) == 0 || !strings.HasPrefix(words[len(words)-1], "-") || strings.Contains(words[len(words)-1], "=") {
		return "", false
	}
	return strings.TrimLeft(words[len(words)-1], "-"), true
}
