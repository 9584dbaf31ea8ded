package inspect

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"mero/node/api"
	"mero/node/collections"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/store"
)

// elementIndex reads the word of an index.
func elementIndex(word string) (int64, error) {
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 0 || n == math.MaxInt64 {
		return 0, fmt.Errorf("%w: %.40q is no index: in a list or text stands a number, from 0", ErrPath, word)
	}
	return n, nil
}

// kindName is a kind in the API's words.
func kindName(k collections.Kind) string {
	switch k {
	case collections.Root:
		return api.StateRoot
	case collections.Register:
		return api.StateRegister
	case collections.Map:
		return api.StateMap
	case collections.Set:
		return api.StateSet
	case collections.Counter:
		return api.StateCounter
	case collections.List:
		return api.StateList
	case collections.Text:
		return api.StateText
	case collections.Members:
		return api.StateMembers
	default:
		return api.StateValue
	}
}

// keyWord is a key as a word: in a collection by member those are members.
func keyWord(in collections.Kind, key []byte) string {
	var member ident.PublicKey
	if in == collections.Members && member.SetBytes(key) == nil {
		return member.String()
	}
	return api.KeyWord(key)
}

// node is a tree in the API's form; in is what it is in, nil for nothing.
func (s *sight) node(t, in *hosted.Tree, start hosted.Start) (n api.StateNode, err error) {
	n = api.StateNode{Kind: kindName(t.Kind), Once: t.Flags&collections.Once != 0, Cut: t.Cut, More: t.More}
	if in != nil {
		n.Key = strconv.FormatInt(t.Index, 10)
		if in.IsKeyed() {
			n.Key = keyWord(in.Kind, t.Key)
		}
	}
	fillValue(&n, t, in)
	if n.Made, err = s.write(t.Made); err != nil {
		return n, err
	}
	if t.Kind == collections.Value {
		n.Made, n.Written = nil, n.Made
	} else if n.Written, err = s.write(t.Written); err != nil {
		return n, err
	}
	n.Next = next(t, start)
	for _, e := range t.Entries {
		entry, err := s.node(e, t, hosted.Start{})
		if err != nil {
			return n, err
		}
		n.Entries = append(n.Entries, entry)
	}
	return n, nil
}

// fillValue says what is in a node, but for its entries.
func fillValue(n *api.StateNode, t, in *hosted.Tree) {
	var value []byte
	switch t.Kind {
	case collections.Value:
		if in != nil && in.Kind == collections.Set {
			return // it is its key
		}
		value = t.Value
	case collections.Register:
		if !t.Set || t.Cut {
			return
		}
		value = t.Value
	case collections.Counter:
		value = strconv.AppendInt(nil, t.Count, 10)
	case collections.Text:
		n.Text, n.Length = &t.Text, &t.Length
		return
	default:
		n.Length = &t.Length
		return
	}
	shown := content(value)
	n.Value = &shown
}

// next is the word to go on behind.
func next(t *hosted.Tree, start hosted.Start) string {
	shown := int64(len(t.Entries))
	if t.Kind == collections.Text {
		shown = int64(utf8.RuneCountInString(t.Text))
	}
	switch {
	case !t.More || shown == 0:
		return ""
	case t.IsKeyed():
		return keyWord(t.Kind, t.Entries[shown-1].Key)
	default:
		return strconv.FormatInt(start.Index+shown-1, 10)
	}
}

// write finds who wrote at a stamp: the delta of its time whose writer has its tag.
func (s *sight) write(at collections.Stamp) (*api.StateWrite, error) {
	if at.IsZero() {
		return nil, nil
	}
	when := moment{time: delta.Time(at.DeltaTime()), tag: at.Tag}
	if known, ok := s.writes[when]; ok {
		return known, nil
	}
	w := &api.StateWrite{Time: when.time.Wall()}
	for rec, err := range s.log.Headers(when.time) {
		if err != nil {
			return nil, fmt.Errorf("look for who wrote: %w", err)
		}
		if rec.Time != when.time {
			break
		}
		h, id, err := delta.HeaderOf(rec.Bytes)
		if err != nil || id != rec.ID || hosted.Tag(h.Writer()) != at.Tag {
			continue // of somebody else; or damaged, which other commands tell
		}
		shape := api.Hash(id)
		w.Author, w.ID = &h.Author, &shape
		break
	}
	s.writes[when] = w
	return w, nil
}

// maxKeyValue is the largest value that is shown in a list of keys, in bytes.
const maxKeyValue = 256 << 10

// keys shows the state of an application that keeps it itself. Keys of more than
// 512 bytes are found by their path, and in no list (store.View.Range).
func keys(state layer.State, q *api.StateQuery) (api.StateNode, error) {
	if len(q.Path) > 0 {
		return oneKey(state, q)
	}
	top := api.StateNode{Kind: api.StateKeys}
	var after []byte
	if q.After != "" {
		var err error
		if after, err = api.ParseKeyWord(q.After); err != nil {
			return top, fmt.Errorf("%w: %.100q: %w", ErrPath, q.After, err)
		}
	}
	const batch = 16 // values may be large
	for size := 0; ; {
		found, err := state.Range(nil, after, batch)
		if err != nil {
			return top, fmt.Errorf("read the state: %w", err)
		}
		for i := range found {
			if len(top.Entries) == q.Limit || size >= maxStateBytes {
				top.More, top.Next = true, api.KeyWord(after)
				return top, nil
			}
			entry := keyNode(found[i])
			if len(found[i].Value) > maxKeyValue {
				entry.Value, entry.Cut = &api.Content{Size: len(found[i].Value)}, true
			} else {
				size += len(found[i].Value)
			}
			size += len(found[i].Key)
			top.Entries = append(top.Entries, entry)
			after = found[i].Key
		}
		if len(found) < batch {
			return top, nil
		}
	}
}

func keyNode(kv store.KeyValue) api.StateNode {
	value := content(kv.Value)
	return api.StateNode{Key: api.KeyWord(kv.Key), Kind: api.StateValue, Value: &value}
}

// oneKey shows the value of a key.
func oneKey(state layer.State, q *api.StateQuery) (api.StateNode, error) {
	if len(q.Path) > 1 || q.After != "" {
		return api.StateNode{}, fmt.Errorf("%w: the application keeps its state itself, as keys with values: there is nothing in them", ErrPath)
	}
	word := q.Path[0]
	key, err := api.ParseKeyWord(word)
	if err != nil {
		return api.StateNode{}, fmt.Errorf("%w: %.100q: %w", ErrPath, word, err)
	}
	value, ok, err := state.Get(key)
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return api.StateNode{}, fmt.Errorf("%w: %w", ErrPath, err)
	case err != nil:
		return api.StateNode{}, fmt.Errorf("read the state: %w", err)
	case !ok:
		return api.StateNode{}, fmt.Errorf("%w: no key %.100q in the state", ErrStateNotFound, word)
	}
	n := keyNode(store.KeyValue{Key: key, Value: value})
	n.Key = ""
	return n, nil
}
