package node

import (
	"strings"

	"github.com/xrash/smetrics"
)

// Nearest is the known word that a mistyped one most likely meant, or "" when
// none is close. Commands, flags and configuration keys share it.
func Nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, bestScore := "", 0.0
	for _, candidate := range known {
		score := smetrics.JaroWinkler(word, strings.ToLower(candidate), 0.7, 4)
		// A common prefix alone is not likeness: most letters must be right too.
		edits := smetrics.WagnerFischer(word, strings.ToLower(candidate), 1, 1, 1)
		if edits > max(len(word), len(candidate))/2 {
			continue
		}
		if score > bestScore {
			best, bestScore = candidate, score
		}
	}
	if bestScore < 0.75 {
		return ""
	}
	return best
}
