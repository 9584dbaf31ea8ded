// Command types passes values of all types through a guest. It is no application
// for people: its test compares what generated code does with encoding/json.
package main

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"mero/node/sdk"
)

func main() {} // a library: the node calls the methods

// Types is the state.
type Types struct {
	Last  sdk.Value[All]
	Kept  sdk.Private[All]
	Deep  sdk.MapOf[sdk.ListOf[sdk.MapOf[sdk.Once[[]Inner]]]]
	Plain Nested
}

// Nested is a struct in the state struct.
type Nested struct {
	Words sdk.List[Color] `mero:"w"`
}

// Names of types that stand for others.
type (
	Color  string
	Count  uint16
	Words  []string
	Table  map[Color]*Inner
	Alias  = Inner
	Blob   []byte
	Stamp  time.Time
	Switch bool
)

// Inner is a struct in others.
type Inner struct {
	Name string  `json:"name"`
	Sub  []Inner `json:"sub,omitempty"`
}

// Mood has text of its own.
type Mood int

// MarshalText implements encoding.TextMarshaler.
func (m Mood) MarshalText() ([]byte, error) {
	if m < 0 {
		return nil, errors.New("a mood is not negative")
	}
	return []byte(strings.Repeat("!", int(m))), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mood) UnmarshalText(text []byte) error {
	if strings.Trim(string(text), "!") != "" {
		return errors.New("a mood has exclamation marks alone")
	}
	*m = Mood(len(text))
	return nil
}

// Spread has a field without a name, which only encoding/json knows to spread.
type Spread struct {
	Inner

	N int `json:"n,string"`
}

// All has a field of every kind.
type All struct {
	S        string
	B        bool
	I        int
	I8       int8
	I64      int64 `json:"i64"`
	U8       uint8
	U64      uint64
	R        rune
	F32      float32
	F64      float64
	Bytes    []byte
	Time     time.Time
	List     []string
	Lists    [][]int
	Map      map[string]int
	Colors   map[Color][]Inner
	P        *string
	PP       **int
	PI       *Inner
	In       Inner
	Any      any
	Raw      json.RawMessage
	JSON     sdk.JSON
	ID       sdk.ID
	Duration time.Duration
	Array    [2]Color
	Numbers  map[int]string
	Named    Color
	Count    Count
	Words    Words
	Table    Table
	Alias    Alias
	Blob     Blob
	Switch   Switch
	Mood     Mood
	Spread   Spread
	Omit     string            `json:"omit,omitempty"`
	OmitI    Count             `json:",omitempty"`
	OmitB    bool              `json:",omitempty"`
	OmitL    []string          `json:",omitempty"`
	OmitM    map[string]string `json:",omitempty"`
	OmitP    *Inner            `json:",omitempty"`
	OmitT    time.Time         `json:",omitempty"` //nolint:modernize // that it has no effect is what is tried
	ZeroT    time.Time         `json:",omitzero"`
	ZeroL    []string          `json:",omitzero"`
	Odd      string            `json:"odd <name>é"`
	Skipped  string            `json:"-"`
	private  int
}

// Echo gives back what it gets, by way of the state, where it is written and read
// again.
func (t *Types) Echo(value All) (All, error) {
	t.Last.Set(value)
	got, ok := t.Last.Get()
	if !ok {
		return All{}, errors.New("it is gone")
	}
	t.Plain.Words.Append(got.Named)
	t.Deep.At("a").Append().At("b").Set([]Inner{got.In})
	got.private++
	return got, nil
}

// Parts gives parts of what the last Echo left, as parameters and results of other
// types.
func (t *Types) Parts(words Words, optional *Color, many map[string][]*Inner) (map[string][]*Inner, error) {
	if optional != nil {
		return nil, &sdk.Error{Kind: string(*optional), Data: strings.Join(words, " ")}
	}
	in, ok := t.Deep.At("a").At(0).At("b").Get()
	if !ok || t.Plain.Words.Len() != 1 {
		return nil, errors.New("it is gone")
	}
	many["state"] = []*Inner{&in[0], nil}
	return many, nil
}
