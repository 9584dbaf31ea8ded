// Command mero runs applications in contexts that several nodes share; its
// words are in package commands.
package main

import (
	"os"

	"mero/commands"
)

func main() { os.Exit(commands.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
