// Package names turns names of Go into those that clients and states see: the one
// place that the generator and the SDK's tests agree on.
package names

import (
	"strings"
	"unicode"
)

// Snake is a name in small letters, with an underscore before each word:
// ListBoards is list_boards, boardID is board_id.
func Snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, c := range runes {
		if unicode.IsUpper(c) {
			afterSmall := i > 0 && !unicode.IsUpper(runes[i-1]) && runes[i-1] != '_'
			lastOfWord := i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])
			if afterSmall || lastOfWord {
				b.WriteByte('_')
			}
			c = unicode.ToLower(c)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Field is the name of a field of the state: its tag `mero:"…"`, or Snake.
func Field(name, tag string) string {
	if tag != "" {
		return tag
	}
	return Snake(name)
}
