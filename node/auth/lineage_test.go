package auth_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"mero/node/auth"
)

// child issues a token as the holder of another.
func (b *bench) child(t *testing.T, parent string, ttl time.Duration) string {
	t.Helper()
	by, err := b.Verify(parent)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := b.IssueFrom(by, "child", scopes(t, "context:list"), ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (b *bench) keyID(t *testing.T, token string) string {
	t.Helper()
	id, err := b.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	return id.KeyID
}

// A token of five seconds once made one of ten years.
func TestTokenEndsWithItsMaker(t *testing.T) {
	b := newBench(t)
	parent := b.issue(t, 5*time.Second, "keys:create context:list")
	end := b.now.Add(5 * time.Second)
	for ttl, want := range map[time.Duration]time.Time{auth.MaxTTL: end, 0: end, time.Second: b.now.Add(time.Second)} {
		id, err := b.Verify(b.child(t, parent, ttl))
		if err != nil || !id.Expires.Equal(want) {
			t.Errorf("ttl %s: ends %s, %v; want %s", ttl, id.Expires, err, want)
		}
	}
	child := b.child(t, parent, 0)
	by, err := b.Verify(parent)
	if err != nil {
		t.Fatal(err)
	}
	b.now = end
	if _, err := b.Verify(child); !errors.Is(err, auth.ErrExpired) {
		t.Errorf("after its maker: got %v, want ErrExpired", err)
	}
	if token, _, err := b.IssueFrom(by, "late", auth.Admin(), 0); !errors.Is(err, auth.ErrExpired) || token != "" {
		t.Errorf("by one that expired meanwhile: %q, %v", token, err)
	}
}

func TestRevocationReachesWhatWasMade(t *testing.T) {
	b := newBench(t)
	leaked, other := b.issue(t, time.Hour, "admin"), b.issue(t, time.Hour, "admin")
	child := b.child(t, leaked, 0)
	grandchild := b.child(t, child, 0)
	by, err := b.Verify(child)
	if err != nil { // it is also in the cache now
		t.Fatal(err)
	}
	b.keyID(t, grandchild)
	kept := b.child(t, other, 0)
	if _, err := b.Revoke(b.keyID(t, leaked)); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for name, token := range map[string]string{"child": child, "grandchild": grandchild} {
			if _, err := b.Verify(token); !errors.Is(err, auth.ErrRevoked) {
				t.Errorf("%s: got %v, want ErrRevoked", name, err)
			}
		}
		b.keyID(t, kept)
	}
	check()
	b.open(t)
	check()
	if token, _, err := b.IssueFrom(by, "late", auth.Admin(), 0); !errors.Is(err, auth.ErrRevoked) || token != "" {
		t.Errorf("by one that was revoked meanwhile: %q, %v", token, err)
	}
	keys, err := b.Keys()
	if err != nil {
		t.Fatal(err)
	}
	revoked := 0
	for _, key := range keys {
		if !key.Revoked.IsZero() {
			revoked++
		}
	}
	if len(keys) != 5 || revoked != 3 {
		t.Errorf("%d of %d keys are listed as revoked, want 3 of 5", revoked, len(keys))
	}
}

func TestLineIsBounded(t *testing.T) {
	b := newBench(t)
	token := b.issue(t, time.Hour, "admin")
	for range auth.MaxHandedOn {
		token = b.child(t, token, 0)
	}
	by, err := b.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.IssueFrom(by, "one too many", auth.Admin(), 0); !errors.Is(err, auth.ErrTooDeep) {
		t.Errorf("got %v, want ErrTooDeep", err)
	}
	// A damaged record that is its own parent, and one whose parent is lost.
	key := b.keys.keys[by.KeyID]
	for _, parent := range []string{key.ID, "nobody"} {
		key.Parent = parent
		if err := b.keys.PutKey(key); err != nil {
			t.Fatal(err)
		}
		b.open(t)
		if _, err := b.Verify(token); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("parent %s: got %v, want ErrInvalid", parent, err)
		}
		if _, err := b.Keys(); err != nil {
			t.Error(err)
		}
	}
}

// The node renews its own token before it ends; tokens that people made with the
// earlier one stay good. When the file was lost, they do not.
func TestLocalTokenAndWhatItMade(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(t.TempDir(), "token")
	local := func(path string) string {
		t.Helper()
		token, err := b.LocalToken(path)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	made := b.child(t, local(path), auth.MaxTTL)
	b.now = b.now.Add(auth.MaxTTL/2 + time.Hour)
	local(path)
	b.keyID(t, made)
	local(path + "2")
	if _, err := b.Verify(made); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("the file was lost: got %v, want ErrRevoked", err)
	}
}
