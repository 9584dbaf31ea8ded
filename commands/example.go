package commands

import (
	"strconv"

	"mero/commands/appdev"
	"mero/node"
)

// exampleCode is an application that is part of this program.
func exampleCode(name string) ([]byte, error) {
	if code, ok := appdev.Example(name); ok {
		return code, nil
	}
	return nil, &usageError{
		text: "there is no example " + strconv.Quote(name) + ", only kv", nearest: node.Nearest("example:"+name, []string{"example:kv"}),
	}
}
