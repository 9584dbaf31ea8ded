package ident_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"mero/node/ident"
)

func key32(t *testing.T, digits string) (k [32]byte) {
	t.Helper()
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != 32 {
		t.Fatalf("%s: %d bytes, %v", digits, len(raw), err)
	}
	return [32]byte(raw)
}

func TestWeakPublicKeys(t *testing.T) {
	f := strings.Repeat("f", 58)
	for _, digits := range []string{
		strings.Repeat("0", 64), strings.Repeat("0", 62) + "80", "01" + strings.Repeat("0", 62), "01" + strings.Repeat("0", 60) + "80",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecff" + f + "7f", "ecff" + f + "ff", "edff" + f + "7f", "eeff" + f + "7f", "eeff" + f + "ff",
	} {
		if err := ident.CheckPublicKey(key32(t, digits)); !errors.Is(err, ident.ErrWeakKey) {
			t.Errorf("%s: %v, want ErrWeakKey", digits, err)
		}
	}
	if err := ident.CheckPublicKey(ident.NewPrivateKey().Public()); err != nil {
		t.Error(err)
	}
}

func TestWeakSealKeys(t *testing.T) {
	for _, digits := range []string{
		strings.Repeat("0", 64), "01" + strings.Repeat("0", 62), "ecff" + strings.Repeat("f", 58) + "7f", "edff" + strings.Repeat("f", 58) + "ff",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	} {
		if err := ident.SealPublicKey(key32(t, digits)).Check(); !errors.Is(err, ident.ErrWeakKey) {
			t.Errorf("%s: %v, want ErrWeakKey", digits, err)
		}
	}
	k, err := ident.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Public().Check(); err != nil {
		t.Error(err)
	}
}
