package history

import (
	"testing"

	"mero/node/ident"
)

// TestTopicSecret: who begins a context with the secret of another one does not get its
// topic.
func TestTopicSecret(t *testing.T) {
	drawn := [32]byte{1}
	a, b := topicSecret(ident.ContextID{1}, drawn), topicSecret(ident.ContextID{2}, drawn)
	if a == b || a == drawn || a != topicSecret(ident.ContextID{1}, drawn) || a == topicSecret(ident.ContextID{1}, [32]byte{2}) {
		t.Errorf("secrets of two contexts that were begun with one: %x and %x", a, b)
	}
}
