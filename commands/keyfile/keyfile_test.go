package keyfile_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/commands/keyfile"
	"mero/node"
	"mero/node/ident"
)

func TestExportedIdentity(t *testing.T) {
	want := node.Secret{
		Context: ident.ContextID{1}, Key: [32]byte{2}, Seal: [32]byte{3}, Created: time.Unix(1_700_000_000, 0).UTC(),
	}
	text, err := keyfile.Seal(want, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := keyfile.Open(text, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	if _, err := keyfile.Open(text, []byte("other")); err == nil {
		t.Fatal("opened with a wrong passphrase")
	}
	// What stands outside of the sealed part is vouched for too.
	for _, change := range [][2]string{
		{want.Context.String(), ident.ContextID{9}.String()},
		{want.Public().String(), ident.PrivateKeyFromSeed([32]byte{8}).Public().String()},
		{`2023-`, `2024-`},
		{`"time": 3`, `"time": 4`},
	} {
		changed := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("the file does not have %q: %s", change[0], text)
		}
		if _, err := keyfile.Open(changed, []byte("secret")); err == nil {
			t.Errorf("opened although %q was changed", change[0])
		}
	}
}

// FuzzOpen holds that no file makes the program panic or take what it
// should not.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"meroIdentity":1,"publicKey":"` + ident.PublicKey{1}.String() + `","kdf":{"name":"argon2id","salt":"AAAAAAAAAAAAAAAAAAAAAA==","time":1,"memoryKiB":64,"lanes":1},"sealed":"AAAA"}`))
	f.Add([]byte(`{"meroIdentity":1,"kdf":{"name":"argon2id","time":4294967295}}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("memoryKiB\":")) && len(text) > 4096 {
			t.Skip()
		}
		if secret, err := keyfile.Open(text, []byte("x")); err == nil {
			t.Fatalf("opened %q as %v", text, secret)
		}
	})
}
