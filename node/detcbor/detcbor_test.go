package detcbor_test

import (
	"bytes"
	"testing"

	"mero/node/detcbor"
)

type paper struct {
	Name string `cbor:"1,keyasint"`
	List []int  `cbor:"2,keyasint"`
}

// TestDecMode: what is not the deterministic form, or over a limit, is refused.
func TestDecMode(t *testing.T) {
	enc, err := detcbor.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	limits := detcbor.Limits{Nesting: 4, Elements: 16, Pairs: 16}
	strict, err := limits.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	limits.AnyKeys = true
	loose, err := limits.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	good, err := enc.Marshal(paper{Name: "a"})
	if err != nil || !bytes.Equal(good, []byte{0xa2, 1, 0x61, 'a', 2, 0x80}) {
		t.Fatalf("written as %x, %v", good, err)
	}
	for name, row := range map[string]struct {
		raw           []byte
		strict, loose bool
	}{
		"as written":          {good, true, true},
		"an unknown key":      {[]byte{0xa3, 1, 0x61, 'a', 2, 0x80, 3, 0}, false, true},
		"a key twice":         {[]byte{0xa2, 1, 0x61, 'a', 1, 0x61, 'b'}, false, false},
		"indefinite list":     {[]byte{0xa2, 1, 0x61, 'a', 2, 0x9f, 0xff}, false, false},
		"a tag":               {[]byte{0xa2, 1, 0x61, 'a', 2, 0xc1, 0x80}, false, false},
		"no UTF-8":            {[]byte{0xa2, 1, 0x61, 0xff, 2, 0x80}, false, false},
		"17 elements":         {append([]byte{0xa2, 1, 0x61, 'a', 2, 0x91}, make([]byte, 17)...), false, false},
		"16 elements":         {append([]byte{0xa2, 1, 0x61, 'a', 2, 0x90}, make([]byte, 16)...), true, true},
		"5 levels, unnoticed": {[]byte{0xa1, 9, 0x81, 0x81, 0x81, 0x81, 0}, false, false},
	} {
		var p paper
		if err := strict.Unmarshal(row.raw, &p); (err == nil) != row.strict {
			t.Errorf("%s: %v", name, err)
		}
		p = paper{}
		if err := loose.Unmarshal(row.raw, &p); (err == nil) != row.loose {
			t.Errorf("%s, any keys: %v", name, err)
		}
	}
}
