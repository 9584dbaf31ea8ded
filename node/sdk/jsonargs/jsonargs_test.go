package jsonargs_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"mero/node/sdk/jsonargs"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, input string
		want        string // the values joined by |, or the error
		fails       bool
	}{
		{name: "object", input: `{"key":"a","value":"b"}`, want: `"a"|"b"`},
		{name: "any order and spaces", input: " {\n\"value\" : [1, {\"x\":null}] ,\t\"key\":-1.5e+3 } ", want: `-1.5e+3|[1, {"x":null}]`},
		{name: "positional", input: `["a",true]`, want: `"a"|true`},
		{name: "escaped name", input: `{"k\u0065y":1,"value":2}`, want: `1|2`},
		{name: "missing", input: `{"key":"a"}`, want: "missing field `value`", fails: true},
		{name: "missing position", input: `[]`, want: "missing field `key`", fails: true},
		{name: "unknown", input: `{"kee":"a"}`, want: "unknown field `kee`", fails: true},
		{name: "twice", input: `{"key":1,"key":2}`, want: "duplicate field `key`", fails: true},
		{name: "too many", input: `[1,2,3]`, want: "invalid input: too many arguments at byte 5", fails: true},
		{name: "empty", input: ``, want: "invalid input: expected an object of arguments", fails: true},
		{name: "null", input: `null`, want: "invalid input: expected an object of arguments", fails: true},
		{name: "trailing", input: `[1,2]x`, want: "invalid input: trailing characters at byte 5", fails: true},
		{name: "cut escape", input: `["\u12`, want: "invalid input: invalid escape at byte 3", fails: true},
		{name: "deep", input: "[1," + strings.Repeat("[", 100), want: "invalid input: nested too deep at byte 67", fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			values, err := jsonargs.Parse([]byte(tc.input), "key", "value")
			if (err != nil) != tc.fails {
				t.Fatalf("got error %v, want one: %v", err, tc.fails)
			}
			var got string
			if err != nil {
				got = err.Error()
			} else {
				got = string(values[0]) + "|" + string(values[1])
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestUint(t *testing.T) {
	for _, tc := range []struct {
		raw   string
		want  uint64
		fails bool
	}{
		{raw: "18446744073709551615", want: 1<<64 - 1},
		{raw: "18446744073709551616", fails: true},
		{raw: "1.5", fails: true},
		{raw: `"1"`, fails: true},
	} {
		got, err := jsonargs.Raw(tc.raw).Uint()
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s: got %d, %v", tc.raw, got, err)
		}
	}
}

func TestTextIsAString(t *testing.T) {
	if _, err := jsonargs.Raw("17").Text(); err == nil {
		t.Error("a number was taken for a string")
	}
}

// FuzzParse compares with encoding/json: what one accepts as a value the other
// does too (but for UTF-8, which only we insist on), and strings mean the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`"a"`, `"\ud83d\ude00 \ud83d \n\/"`, `{"a":[1,2.5e3,null,true]}`, `-0`, `01`, `[1,]`, `{"a"}`, "\"\xff\"", `"\u00e9é"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := jsonargs.Parse(append(append([]byte("["), data...), ']'), "v")
		var std []json.RawMessage
		stdErr := json.Unmarshal(append(append([]byte("["), data...), ']'), &std)
		if err == nil && (stdErr != nil || len(std) != 1) {
			t.Fatalf("%q accepted, encoding/json: %v", data, stdErr)
		}
		if err != nil {
			if stdErr == nil && len(std) == 1 && utf8.Valid(data) && strings.Count(string(data), "[")+strings.Count(string(data), "{") < 60 {
				t.Fatalf("%q refused: %v", data, err)
			}
			return
		}
		text, err := values[0].Text()
		var want string
		stdErr = json.Unmarshal(values[0], &want)
		isString := values[0][0] == '"'
		if (err == nil) != isString || isString && (stdErr != nil || text != want) {
			t.Fatalf("%q is %q, %v; want %q, %v", data, text, err, want, stdErr)
		}
		if isString {
			var back string
			if err := json.Unmarshal(jsonargs.AppendString(nil, text), &back); err != nil || back != text {
				t.Fatalf("%q written and read is %q, %v", text, back, err)
			}
		}
	})
}
