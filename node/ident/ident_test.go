package ident_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mero/node/ident"
)

func TestTextRoundTrip(t *testing.T) {
	key := ident.NewPrivateKey().Public()
	got, err := ident.ParsePublicKey(key.String())
	if err != nil || got != key {
		t.Fatalf("ParsePublicKey(%s) = %s, %v", key, got, err)
	}
	doc, err := json.Marshal(map[string]ident.PublicKey{"key": key})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]ident.PublicKey
	if err := json.Unmarshal(doc, &back); err != nil || back["key"] != key {
		t.Fatalf("json %s gave %v, %v", doc, back, err)
	}
}

func TestZeroIsThirtyTwoOnes(t *testing.T) {
	var id ident.ContextID
	if got, want := id.String(), strings.Repeat("1", 32); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !id.IsZero() {
		t.Error("zero id is not zero")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "too short": "abc", "not base58": strings.Repeat("0", 44),
		"too long": strings.Repeat("z", 44), "very long": strings.Repeat("1", 1<<20),
		"31 bytes": strings.Repeat("1", 31), "33 bytes": strings.Repeat("1", 33),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ident.ParseContextID(text); !errors.Is(err, ident.ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			} else if !strings.HasPrefix(err.Error(), "context id") {
				t.Errorf("error does not say what was read: %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("11111111111111111111111111111111")
	f.Add(ident.NewPrivateKey().Public().String())
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ident.ParseAppID(text)
		if err == nil && id.String() != text {
			t.Errorf("%q reads as %s", text, id)
		}
	})
}

func TestSignIsBoundToDomain(t *testing.T) {
	key := ident.NewPrivateKey()
	msg := []byte("message")
	sig := key.Sign("a/v1", msg)
	if err := ident.Verify(key.Public(), "a/v1", msg, sig); err != nil {
		t.Errorf("own signature: %v", err)
	}
	other := ident.NewPrivateKey().Public()
	for name, err := range map[string]error{
		"other domain":  ident.Verify(key.Public(), "b/v1", msg, sig),
		"other message": ident.Verify(key.Public(), "a/v1", []byte("massage"), sig),
		"other key":     ident.Verify(other, "a/v1", msg, sig),
		"shifted":       ident.Verify(key.Public(), "a", []byte("v1\x00message"), sig),
	} {
		if !errors.Is(err, ident.ErrBadSignature) {
			t.Errorf("%s: got %v, want ErrBadSignature", name, err)
		}
	}
}

func TestKeyFromSeed(t *testing.T) {
	key := ident.NewPrivateKey()
	if again := ident.PrivateKeyFromSeed(key.Seed()); again.Public() != key.Public() {
		t.Error("a key made from its seed is another key")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	key := ident.NewPrivateKey()
	seed := key.Seed()
	hex := fmt.Sprintf("%x", seed[:])
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%#v", key), fmt.Sprintf("%+v", key)} {
		if strings.Contains(text, hex) || strings.Contains(text, fmt.Sprintf("%v", seed)) {
			t.Errorf("prints its secret: %s", text)
		}
	}
}

func TestWrap(t *testing.T) {
	key, err := ident.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := key.Public().Wrap([]byte("epoch"), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Unwrap([]byte("epoch"), wrapped)
	if err != nil || string(got) != "secret" {
		t.Fatalf("got %q, %v", got, err)
	}
	other, err := ident.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(wrapped)
	damaged[len(damaged)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"other key":     func() ([]byte, error) { return other.Unwrap([]byte("epoch"), wrapped) },
		"other purpose": func() ([]byte, error) { return key.Unwrap([]byte("other"), wrapped) },
		"damaged":       func() ([]byte, error) { return key.Unwrap([]byte("epoch"), damaged) },
		"empty":         func() ([]byte, error) { return key.Unwrap([]byte("epoch"), nil) },
	} {
		if _, err := open(); !errors.Is(err, ident.ErrNotForUs) {
			t.Errorf("%s: got %v, want ErrNotForUs", name, err)
		}
	}
}

func TestSealKeyFromSeed(t *testing.T) {
	seed := ident.NewPrivateKey().Seed()
	a, err := ident.SealKeyFromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ident.SealKeyFromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	if a.Public() != b.Public() {
		t.Error("one seed gave two keys")
	}
}
