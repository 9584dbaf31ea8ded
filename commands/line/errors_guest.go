package line

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// returnedError is how a node says that an application returned an error: the bytes
// follow as numbers, which clients of the reference read (wasm-abi 4.4).
const returnedError = "the method call returned an error: ["

// guestText makes text of those numbers: the error itself if it is a JSON string,
// else the JSON or whatever it is. A message without them stays as it is.
func guestText(message string) string {
	before, rest, found := strings.Cut(message, returnedError)
	numbers, ended := strings.CutSuffix(rest, "]")
	if !found || !ended {
		return message
	}
	var data []byte
	for number := range strings.SplitSeq(numbers, ", ") {
		b, err := strconv.ParseUint(number, 10, 8)
		if err != nil {
			return message
		}
		data = append(data, byte(b))
	}
	if !utf8.Valid(data) {
		return message
	}
	words := string(data)
	var text string
	if json.Unmarshal(data, &text) == nil {
		words = text
	}
	return before + "the application returned an error: " + words
}
