package commands

import (
	"context"
	"io"

	"mero/commands/line"
	"mero/node"
)

func completion() *line.Verb {
	return &line.Verb{
		Name: "completion", Args: "bash|zsh|fish", Min: 1, Max: 1, Summary: "print a completion script for a shell",
		Long:    "bash: source <(mero completion bash). zsh: mero completion zsh > \"${fpath[1]}/_mero\".\nfish: mero completion fish > ~/.config/fish/completions/mero.fish.",
		Example: "mero completion bash",
		Words:   func() []string { return []string{"bash", "zsh", "fish"} },
		Run: func(_ context.Context, e *line.Env) error {
			scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
			script, ok := scripts[e.Arg(0)]
			if !ok {
				return &line.UsageError{
					Text: "no completion for " + e.Arg(0) + ", only for bash, zsh and fish", Nearest: node.Nearest(e.Arg(0), []string{"bash", "zsh", "fish"}),
				}
			}
			_, _ = io.WriteString(e.Writer(), script) // sticky remembers the error
			return e.Failed()
		},
	}
}

const bashCompletion = `# bash completion for mero
_mero() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}") line
    COMPREPLY=()
    while IFS= read -r line; do
        [ -n "$line" ] && COMPREPLY+=("$line")
    done < <(mero ` + line.CompleteWord + ` "${words[@]}" 2>/dev/null)
}
complete -o default -F _mero mero
`

const zshCompletion = `#compdef mero
# zsh completion for mero
_mero() {
    local -a found
    found=("${(@f)$(mero ` + line.CompleteWord + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
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
    mero ` + line.CompleteWord + ` $typed[2..] (commandline -ct | string collect --allow-empty) 2>/dev/null
end
complete -c mero -a '(__mero_complete)'
`
