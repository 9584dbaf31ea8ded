package codec_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"mero/node/sdk/codec"
)

// value is a tree of what JSON has, read by the functions that it is composed of.
type value struct {
	Text string           `json:"text"`
	Int  int8             `json:"int"`
	Num  float64          `json:"num"`
	Flag bool             `json:"flag"`
	Data []byte           `json:"data"`
	Subs map[string]value `json:"subs"`
	Raw  json.RawMessage  `json:"raw"`
}

func read(r *codec.Reader, p *value) {
	r.Object(func(name string) bool {
		switch name {
		case "text":
			codec.ReadString(r, &p.Text)
		case "int":
			codec.ReadInt(r, &p.Int)
		case "num":
			codec.ReadFloat64(r, &p.Num)
		case "flag":
			codec.ReadBool(r, &p.Flag)
		case "data":
			codec.ReadBytes(r, &p.Data)
		case "subs":
			codec.ReadMap(r, &p.Subs, read)
		case "raw":
			codec.ReadRaw(r, &p.Raw)
		default:
			return false
		}
		return true
	})
}

func TestErrors(t *testing.T) {
	for input, want := range map[string]string{
		``:                                "want an object at byte 0",
		`[]`:                              "want an object at byte 0",
		`{"text":1}`:                      "text: want a string at byte 8",
		`{"int":1.5}`:                     "int: want a whole number, not too large at byte 10",
		`{"int":128}`:                     "int: want a whole number, not too large at byte 10",
		`{"subs":{"a":{"flag":"yes"}}}`:   "subs.a.flag: want true or false at byte 21",
		`{"x":[1,{"y":tru}]}`:             "x[1].y: want a value at byte 13",
		`{"data":"?"}`:                    "data: want bytes in base64 at byte 11",
		`{"text":"a` + "\n" + `"}`:        "text: a control character in a string at byte 10",
		`{"text":"\x"}`:                   "text: an escape that JSON does not have at byte 11",
		`{"text":"` + "\xff" + `"}`:       "text: text that is not UTF-8 at byte 9",
		`{"text":"a`:                      "text: a string without an end at byte 10",
		`{"text":"a"`:                     "want , or } at byte 11",
		`{"text" "a"}`:                    "want : at byte 8",
		`{"text":"a"} x`:                  "something follows the value at byte 13",
		`{"num":01}`:                      "want , or } at byte 8",
		`{"num":1e999}`:                   "num: want a number, not too large at byte 12",
		`{"x":` + strings.Repeat("[", 70): "x" + strings.Repeat("[0]", 63) + ": nested too deep at byte 69",
	} {
		r := codec.NewReader([]byte(input))
		var v value
		read(r, &v)
		if err := r.End(); err == nil || err.Error() != want {
			t.Errorf("%s gives %v, want %s", input, err, want)
		}
	}
}

// FuzzRead: what this package takes, encoding/json takes too and understands in the
// same way.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"text":"abc","int":-7,"num":-1.5e-3,"flag":true,"data":"aaaa","raw":[1,{"x":null}],"other":[{}],"subs":{"a":null,"b":{}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, input []byte) {
		if differs(string(input)) {
			return
		}
		r := codec.NewReader(input)
		var got, want value
		read(r, &got)
		if r.End() != nil {
			return
		}
		if err := json.Unmarshal(input, &want); err != nil {
			t.Fatalf("%q: %v", input, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: (-encoding/json +got)\n%s", input, diff)
		}
	})
}

// differs tells whether encoding/json may have another opinion: it takes names of
// fields in another case, and joins a field that comes twice.
func differs(input string) bool {
	for _, name := range []string{"text", "int", "num", "flag", "data", "subs", "raw"} {
		if strings.Count(input, name) > 1 {
			return true
		}
	}
	return strings.ContainsFunc(input, func(c rune) bool { return c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' || c == '\\' })
}

func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\b\x00\x7fé漢\u2028<&\xff\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(codec.Quote(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var same string
		if err := json.Unmarshal(want, &same); err != nil || got != same {
			t.Fatalf("%q became %q, and %q by encoding/json (%v)", s, got, same, err)
		}
		r := codec.NewReader(codec.Quote(nil, s))
		var back string
		codec.ReadString(r, &back)
		if err := r.End(); err != nil || back != got || utf8.ValidString(s) && back != s {
			t.Fatalf("%q was read as %q, %v", s, back, err)
		}
	})
}
