package syncer

import (
	"strings"
	"unicode"
)

// printable is what others wrote, fit for logs and terminals.
func printable(words string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(words, ""))
}
