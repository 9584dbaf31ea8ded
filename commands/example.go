package commands

import (
	"strconv"

	"mero/node"
	"mero/node/sdk/examples"
)

// exampleCode is an application that is part of this program.
func exampleCode(name string) ([]byte, error) {
	if name == "kv" {
		return examples.KV(), nil
	}
	return nil, &usageError{
		text: "there is no example " + strconv.Quote(name) + ", only kv", nearest: node.Nearest("example:"+name, []string{"example:kv"}),
	}
}
