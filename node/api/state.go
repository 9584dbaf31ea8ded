package api

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mero/node/ident"
)

const (
	// DefaultStatePage is how many entries of a state are shown unless told.
	DefaultStatePage = 100
	// MaxStatePage is the most that one answer may have.
	MaxStatePage = 1000
	// MaxStatePath is the most words that a path may have.
	MaxStatePath = 16
)

// ErrStateQuery says which part of a StateQuery cannot be read.
var ErrStateQuery = errors.New("malformed query")

// hexWord begins the word of a key that is no text.
const hexWord = "hex:"

// KeyWord is a key as a word of a path: its text, where it prints and says nothing
// else; else "hex:" and its bytes.
func KeyWord(key []byte) string {
	text := string(key)
	strange := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	if text == "" || !utf8.ValidString(text) || strings.HasPrefix(text, hexWord) || strings.IndexFunc(text, strange) >= 0 {
		return hexWord + hex.EncodeToString(key)
	}
	return text
}

// ParseKeyWord is the inverse of KeyWord; any text is a word.
func ParseKeyWord(word string) ([]byte, error) {
	digits, is := strings.CutPrefix(word, hexWord)
	if !is {
		return []byte(word), nil
	}
	key, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("after %q stand hexadecimal digits, two a byte", hexWord)
	}
	return key, nil
}

// StateQuery chooses what of a context's state is shown, and as of when. The zero
// query is the beginning of the whole state of now.
type StateQuery struct {
	// Path leads to what is shown. Each word is a key of what the words before lead
	// to, as KeyWord has it: a name, a map's key, a set's element, a member's public
	// key, an index of a list. Of an application that keeps its state itself, it is
	// empty or one key.
	Path []string
	// After goes on behind a key, or behind an index of a list or text: what
	// StateNode.Next said. Empty: from the beginning.
	After string
	// Limit is the most entries that are shown, those of nested collections too,
	// 1 … MaxStatePage; 0 is DefaultStatePage.
	Limit int
	// At, when given, is the delta up to which the state is folded; else Time, unless
	// it is zero. What is later in the canonical order (R8) is not in the state then.
	At   *Hash
	Time time.Time
}

// Values is the query as it stands in a URL.
func (q StateQuery) Values() url.Values {
	v := url.Values{}
	if len(q.Path) > 0 {
		doc, _ := json.Marshal(q.Path) // strings always encode
		v.Set("path", string(doc))
	}
	if q.After != "" {
		v.Set("after", q.After)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	switch {
	case q.At != nil:
		v.Set("at", q.At.String())
	case !q.Time.IsZero():
		v.Set("at", q.Time.Format(time.RFC3339Nano))
	}
	return v
}

// ParseStateQuery is the inverse of StateQuery.Values. What it does not know it
// leaves alone. Errors wrap ErrStateQuery and name the part.
func ParseStateQuery(v url.Values) (q StateQuery, err error) {
	for _, part := range []struct {
		name string
		read func(text string) error
	}{
		{"path", func(text string) error {
			if err := json.Unmarshal([]byte(text), &q.Path); err != nil {
				return errors.New(`not a JSON array of strings, such as ["notes","first"]`)
			}
			if len(q.Path) > MaxStatePath {
				return fmt.Errorf("%d words, more than %d", len(q.Path), MaxStatePath)
			}
			return nil
		}},
		{"after", func(text string) error {
			q.After = text
			return nil
		}},
		{"limit", func(text string) (err error) {
			q.Limit, err = strconv.Atoi(text)
			if err == nil && (q.Limit < 1 || q.Limit > MaxStatePage) {
				err = fmt.Errorf("%d is not from 1 to %d", q.Limit, MaxStatePage)
			}
			return err
		}},
		{"at", func(text string) (err error) {
			if id, err := ParseHash(text); err == nil {
				q.At = &id
				return nil
			}
			if q.Time, err = time.Parse(time.RFC3339Nano, text); err != nil || q.Time.IsZero() {
				return fmt.Errorf("%.100q is neither the id of a delta nor a time such as 2026-01-31T12:00:00Z", text)
			}
			return nil
		}},
	} {
		if !v.Has(part.name) {
			continue
		}
		if err := part.read(v.Get(part.name)); err != nil {
			return StateQuery{}, fmt.Errorf("%w: %s: %w", ErrStateQuery, part.name, err)
		}
	}
	return q, nil
}

// StatePage is the data of GET /x/contexts/:id/state.
type StatePage struct {
	ContextID ident.ContextID `json:"contextId"`
	// ApplicationID is the application that folded last, RootHash the root of all of
	// the state then.
	ApplicationID ident.AppID `json:"applicationId"`
	RootHash      Hash        `json:"rootHash"`
	// AsOf is the last delta that the state has in it; absent when there is none.
	AsOf *StatePlace `json:"asOf,omitempty"`
	// HostManaged tells which form the state has: collections, or the keys of an
	// application that keeps its state itself.
	HostManaged bool     `json:"hostManaged"`
	Path        []string `json:"path"`
	// State is what the path leads to.
	State StateNode `json:"state"`
}

// StatePlace is a place in the canonical order (R8).
type StatePlace struct {
	ID   Hash      `json:"deltaId"`
	Time time.Time `json:"time"`
}

// The kinds of StateNode. Keys is the state of an application that keeps it itself.
const (
	StateRoot     = "root"
	StateRegister = "register"
	StateMap      = "map"
	StateSet      = "set"
	StateCounter  = "counter"
	StateList     = "list"
	StateText     = "text"
	StateMembers  = "members"
	StateValue    = "value"
	StateKeys     = "keys"
)

// StateNode is a collection, or a plain value in one.
type StateNode struct {
	// Key is where it is in what holds it, as a word of a path; an index in a list.
	// Absent at the top.
	Key string `json:"key,omitempty"`
	// Kind is one of the constants.
	Kind string `json:"kind"`
	// Once: what was written is not changed any more.
	Once bool `json:"once,omitempty"`
	// Length counts the entries, elements or code points; absent where there are none.
	Length *int64 `json:"length,omitempty"`
	// Value is that of a value, register or counter; absent for a register that is
	// not set, and for an element of a set, which is its key.
	Value *Content `json:"value,omitempty"`
	// Text is a part of a text.
	Text *string `json:"text,omitempty"`
	// Cut says that the value or the text was too much for this answer: ask for it by
	// its path.
	Cut bool `json:"cut,omitempty"`
	// Made tells who made the collection; Written who wrote the value, or last wrote
	// in the register, counter, list or text.
	Made    *StateWrite `json:"made,omitempty"`
	Written *StateWrite `json:"written,omitempty"`
	Entries []StateNode `json:"entries,omitempty"`
	// More: there is more in it than is here. Next goes on, as StateQuery.After with
	// the path of this node; empty: from the beginning.
	More bool   `json:"more,omitempty"`
	Next string `json:"next,omitempty"`
}

// StateWrite tells who wrote something, and when.
type StateWrite struct {
	// Author and ID are absent when the delta is not here any more.
	Author *ident.PublicKey `json:"author,omitempty"`
	ID     *Hash            `json:"deltaId,omitempty"`
	Time   time.Time        `json:"time"`
}

// UpdateAppRequest is the body of POST /contexts/:id/application.
type UpdateAppRequest struct {
	ApplicationID     ident.AppID     `json:"applicationId"`
	ExecutorPublicKey ident.PublicKey `json:"executorPublicKey"`
	// MigrateMethod is the method of the new application that brings the state into
	// its form; empty: none. It is mero's own.
	MigrateMethod string `json:"migrateMethod,omitempty"`
}
