package history_test

import (
	"errors"
	"testing"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
)

// TestUnseal: whoever sealed a delta without the key of its epoch is a stranger; of
// what only a newer release knows, nobody here can tell.
func TestUnseal(t *testing.T) {
	author, key := ident.NewPrivateKey(), delta.NewEpochKey()
	d, err := delta.Seal(delta.Header{
		Context: ident.ContextID{1}, Kind: delta.KindState, Parents: []delta.ID{{1}},
		Author: author.Public(), Incarnation: delta.Incarnation{1}, Seq: 1, Time: delta.Tick,
	}, []byte("payload"), key, nil, author, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key   delta.EpochKey
		newer bool
		want  error
	}{
		"its key":       {key: key},
		"another key":   {key: delta.NewEpochKey(), want: history.ErrStranger},
		"a newer delta": {key: delta.NewEpochKey(), newer: true},
	} {
		p := history.Parcel{ID: d.ID(), Header: d.Header(), Raw: d.Bytes(), Newer: c.newer}
		p.Unseal(c.key)
		if !p.Unsealed || !errors.Is(p.Stranger, c.want) {
			t.Errorf("%s: unsealed %v, stranger %v", name, p.Unsealed, p.Stranger)
		}
	}
}
