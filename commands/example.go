package commands

import (
	"strconv"

	"mero/commands/appdev"
	"mero/commands/line"
	"mero/node"
)

// exampleCode is an application that is part of this program.
func exampleCode(name string) ([]byte, error) {
	if code, ok := appdev.Example(name); ok {
		return code, nil
	}
	return nil, &line.UsageError{
		Text: "there is no example " + strconv.Quote(name) + ", only kv", Nearest: node.Nearest("example:"+name, []string{"example:kv"}),
	}
}
