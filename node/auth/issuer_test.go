package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"mero/node/auth"
)

// memory keeps records as the store does.
type memory struct {
	mu    sync.Mutex
	keys  map[string]auth.Key
	reads int
	fail  error
}

func (m *memory) PutKey(k auth.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.keys == nil {
		m.keys = make(map[string]auth.Key)
	}
	m.keys[k.ID] = k
	return nil
}

func (m *memory) Key(id string) (auth.Key, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	k, ok := m.keys[id]
	return k, ok, m.fail
}

func (m *memory) Keys() ([]auth.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.keys)), m.fail
}

func (m *memory) DeleteKey(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.keys, id)
	return m.fail
}

type bench struct {
	secret auth.Secret
	keys   *memory
	now    time.Time
	*auth.Issuer
}

var secretBytes = [auth.SecretSize]byte{1, 2, 3}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{secret: auth.SecretFromBytes(secretBytes), keys: &memory{}, now: time.Unix(1_800_000_000, 0)}
	b.open(t)
	return b
}

// open is a restart: the records and the secret stay.
func (b *bench) open(t *testing.T) {
	t.Helper()
	issuer, err := auth.New(auth.DefaultConfig(), b.secret, b.keys, func() time.Time { return b.now })
	if err != nil {
		t.Fatal(err)
	}
	b.Issuer = issuer
}

func (b *bench) issue(t *testing.T, ttl time.Duration, texts string) string {
	t.Helper()
	token, _, err := b.Issue("test", scopes(t, texts), ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestIssueVerify(t *testing.T) {
	b := newBench(t)
	token, claims, err := b.Issue("ci", scopes(t, "context[C,U] blob:add"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second comes from the cache
		got, err := b.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		want := auth.Identity{KeyID: claims.Subject, Name: "ci", Scopes: scopes(t, "context[C,U] blob:add"), Expires: b.now.Add(time.Hour)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if b.keys.reads != 1 {
		t.Errorf("%d reads of the store for two requests, want 1", b.keys.reads)
	}
	b.open(t)
	if _, err := b.Verify(token); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestClaimsAreThoseOfTheSpec(t *testing.T) {
	b := newBench(t)
	payload := strings.Split(b.issue(t, time.Hour, "context[C,U]"), ".")[1]
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	id, jti := got["sub"].(string), got["jti"].(string)
	want := map[string]any{
		"sub": id, "jti": jti, "iss": "mero", "aud": []any{"mero"}, "token_type": "access",
		"iat": float64(b.now.Unix()), "exp": float64(b.now.Unix() + 3600), "permissions": []any{"context[C,U]"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(id) != 32 || len(jti) != 36 || jti[14] != '4' {
		t.Errorf("sub %q, jti %q", id, jti)
	}
	if i := bytes.IndexFunc(raw, func(r rune) bool { return r > '~' }); i >= 0 {
		t.Errorf("payload is not ASCII: %q", raw)
	}
}

func TestVerifyRefuses(t *testing.T) {
	b := newBench(t)
	good := b.issue(t, time.Hour, "admin")
	claims := func(change func(*auth.Claims)) auth.Claims {
		var c auth.Claims
		if _, err := jwt.ParseWithClaims(good, &c, func(*jwt.Token) (any, error) { return secretBytes[:], nil }, jwt.WithoutClaimsValidation()); err != nil {
			t.Fatal(err)
		}
		change(&c)
		return c
	}
	sign := func(method jwt.SigningMethod, key any, change func(*auth.Claims)) string {
		token, err := jwt.NewWithClaims(method, claims(change)).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	mine := func(change func(*auth.Claims)) string {
		return sign(jwt.SigningMethodHS256, secretBytes[:], change)
	}
	same := func(*auth.Claims) {}
	if _, err := b.Verify(mine(same)); err != nil {
		t.Fatalf("the rows below prove nothing: %v", err)
	}
	parts := strings.Split(good, ".")
	for name, row := range map[string]struct {
		token string
		want  error
	}{
		"nothing":         {"", auth.ErrMissing},
		"noise":           {"noise", auth.ErrInvalid},
		"huge":            {strings.Repeat("a", auth.MaxTokenLen+1), auth.ErrInvalid},
		"other secret":    {sign(jwt.SigningMethodHS256, []byte("x"), same), auth.ErrInvalid},
		"no signature":    {parts[0] + "." + parts[1] + ".", auth.ErrInvalid},
		"unsigned":        {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same), auth.ErrInvalid},
		"other algorithm": {sign(jwt.SigningMethodHS512, secretBytes[:], same), auth.ErrInvalid},
		"cut":             {good[:len(good)-1], auth.ErrInvalid},
		"refresh type":    {mine(func(c *auth.Claims) { c.TokenType = auth.TypeRefresh }), auth.ErrInvalid},
		"no type":         {mine(func(c *auth.Claims) { c.TokenType = "" }), auth.ErrInvalid},
		"expired":         {mine(func(c *auth.Claims) { c.ExpiresAt = jwt.NewNumericDate(b.now) }), auth.ErrExpired},
		"no expiry":       {mine(func(c *auth.Claims) { c.ExpiresAt = nil }), auth.ErrInvalid},
		"other issuer":    {mine(func(c *auth.Claims) { c.Issuer = "other" }), auth.ErrInvalid},
		"other audience":  {mine(func(c *auth.Claims) { c.Audience = jwt.ClaimStrings{"other"} }), auth.ErrInvalid},
		"unknown key":     {mine(func(c *auth.Claims) { c.Subject = "nobody" }), auth.ErrInvalid},
		"expired refresh": {mine(func(c *auth.Claims) { c.TokenType = auth.TypeRefresh; c.ExpiresAt = jwt.NewNumericDate(b.now) }), auth.ErrInvalid},
		"wider claims": {mine(func(c *auth.Claims) {
			c.Permissions = []string{"admin"}
			c.Subject = ""
		}), auth.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := b.Verify(row.token)
			if !errors.Is(err, row.want) {
				t.Fatalf("got %v, %v; want %v", id, err, row.want)
			}
			if len(row.token) > 20 && strings.Contains(err.Error(), row.token[:20]) {
				t.Errorf("the error quotes the token: %v", err)
			}
		})
	}
}

func TestRecordDecidesNotTheToken(t *testing.T) {
	b := newBench(t)
	token := b.issue(t, time.Hour, "admin")
	keys, _ := b.Keys()
	keys[0].Scopes = []string{"blob:add"}
	if err := b.keys.PutKey(keys[0]); err != nil {
		t.Fatal(err)
	}
	id, err := b.Verify(token)
	if err != nil || id.Scopes.Allow(need("keys", "list")) {
		t.Errorf("%v, %v: an old token kept its scope", id.Scopes, err)
	}
}

func TestExpiresWhileCached(t *testing.T) {
	b := newBench(t)
	token := b.issue(t, time.Minute, "admin")
	for _, step := range []struct {
		after time.Duration
		want  error
	}{{0, nil}, {59 * time.Second, nil}, {time.Second, auth.ErrExpired}, {time.Hour, auth.ErrExpired}} {
		b.now = b.now.Add(step.after)
		if _, err := b.Verify(token); !errors.Is(err, step.want) {
			t.Errorf("after another %s: got %v, want %v", step.after, err, step.want)
		}
	}
}

func TestRevoke(t *testing.T) {
	b := newBench(t)
	token, other := b.issue(t, time.Hour, "admin"), b.issue(t, time.Hour, "admin")
	id, err := b.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.Revoke(id.KeyID)
	if err != nil || first.Revoked.IsZero() {
		t.Fatalf("%v, %v", first, err)
	}
	b.now = b.now.Add(time.Minute)
	if again, err := b.Revoke(id.KeyID); err != nil || !again.Revoked.Equal(first.Revoked) {
		t.Errorf("revoked again: %v, %v; want the first time", again, err)
	}
	for range 2 {
		if _, err := b.Verify(token); !errors.Is(err, auth.ErrRevoked) {
			t.Errorf("got %v, want ErrRevoked", err)
		}
		b.now = b.now.Add(2 * time.Hour) // revoked is said also when it has expired since
	}
	b.now = b.now.Add(-4 * time.Hour)
	b.open(t)
	if _, err := b.Verify(token); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("after a restart: got %v, want ErrRevoked", err)
	}
	if _, err := b.Verify(other); err != nil {
		t.Errorf("another token: %v", err)
	}
	if _, err := b.Revoke("nobody"); !errors.Is(err, auth.ErrUnknownKey) {
		t.Errorf("got %v, want ErrUnknownKey", err)
	}
}

func TestIssueRefuses(t *testing.T) {
	b := newBench(t)
	for name, row := range map[string]struct {
		name   string
		scopes auth.Scopes
		ttl    time.Duration
		want   error
	}{
		"no scope":      {"n", nil, 0, auth.ErrBadScope},
		"made-up scope": {"n", auth.Scopes{{Category: "context[x] admin"}}, 0, auth.ErrBadScope},
		"negative":      {"n", auth.Admin(), -time.Second, auth.ErrBadTTL},
		"too short":     {"n", auth.Admin(), time.Millisecond, auth.ErrBadTTL},
		"too long":      {"n", auth.Admin(), auth.MaxTTL + 1, auth.ErrBadTTL},
		"long name":     {strings.Repeat("n", 101), auth.Admin(), 0, auth.ErrBadName},
		"line break":    {"a\nb", auth.Admin(), 0, auth.ErrBadName},
		"reserved name": {auth.LocalName, auth.Admin(), 0, auth.ErrBadName},
	} {
		t.Run(name, func(t *testing.T) {
			if token, _, err := b.Issue(row.name, row.scopes, row.ttl); !errors.Is(err, row.want) || token != "" {
				t.Errorf("got %q, %v; want %v", token, err, row.want)
			}
		})
	}
	if len(b.keys.keys) != 0 {
		t.Errorf("refused tokens left records: %v", b.keys.keys)
	}
}

func TestStoreFailureIsNotALogin(t *testing.T) {
	b := newBench(t)
	token := b.issue(t, time.Hour, "admin")
	b.keys.fail = errors.New("disk on fire")
	if _, err := b.Verify(token); !errors.Is(err, b.keys.fail) || errors.Is(err, auth.ErrInvalid) {
		t.Errorf("got %v, want the store's error", err)
	}
	if token, _, err := b.Issue("n", auth.Admin(), 0); !errors.Is(err, b.keys.fail) || token != "" {
		t.Errorf("got %q, %v: a token without a record", token, err)
	}
}

func TestExpiredRecordsAreForgotten(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.issue(t, time.Hour, "admin")
	}
	b.now = b.now.Add(7 * 24 * time.Hour)
	b.issue(t, time.Hour, "admin")
	if got := len(b.keys.keys); got != 4 {
		t.Errorf("%d records within a week of their end, want 4", got)
	}
	b.now = b.now.Add(2 * time.Hour)
	b.issue(t, time.Hour, "admin")
	if got := len(b.keys.keys); got != 2 {
		t.Errorf("%d records, want 2", got)
	}
}

func TestLocalToken(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(t.TempDir(), "token")
	get := func() string {
		t.Helper()
		token, err := b.LocalToken(path)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(raw)) != token {
			t.Fatalf("file holds %q, %v", raw, err)
		}
		id, err := b.Verify(token)
		if err != nil || !id.Scopes.Covers(auth.Admin()) {
			t.Fatalf("%v, %v", id, err)
		}
		return token
	}
	first := get()
	b.open(t)
	if get() != first {
		t.Error("a restart changed the token")
	}
	if err := os.WriteFile(path, []byte("scribble"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := get()
	if second == first {
		t.Error("an unreadable file brought the old token back")
	}
	if _, err := b.Verify(first); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("the token of the lost file: got %v, want ErrRevoked", err)
	}
	// Somebody else's good token in the file is not the node's.
	if err := os.WriteFile(path, []byte(b.issue(t, auth.MaxTTL, "admin")), 0o600); err != nil {
		t.Fatal(err)
	}
	get()
	b.now = b.now.Add(auth.MaxTTL/2 + time.Hour)
	if get() == second {
		t.Error("a token near its end was kept")
	}
	if runtime.GOOS == "windows" {
		t.Skip("no mode bits")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestLoadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.key")
	got := make(chan auth.Secret, 8)
	for range cap(got) { // two processes may start at once
		go func() {
			s, err := auth.LoadSecret(path)
			if err != nil {
				t.Error(err)
			}
			got <- s
		}()
	}
	first := <-got
	for range cap(got) - 1 {
		if <-got != first {
			t.Error("two secrets for one file")
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil || len(strings.TrimSpace(string(raw))) != 43 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, text := range []string{fmt.Sprint(first), fmt.Sprintf("%+v %#v", first, first)} {
		if strings.Contains(text, "key:") {
			t.Errorf("prints itself: %s", text)
		}
	}
	for name, text := range map[string]string{"empty": "", "short": "AAAA", "zero": strings.Repeat("A", 43), "noise": strings.Repeat("%", 43)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := auth.LoadSecret(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if again, _ := os.ReadFile(path); string(again) != text {
			t.Errorf("%s: the file was replaced", name)
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("no mode bits")
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.LoadSecret(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
}

func TestConfig(t *testing.T) {
	if err := auth.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for key, c := range map[string]auth.Config{
		"auth.mode":      {Mode: "open", TokenTTL: time.Hour},
		"auth.token_ttl": {Mode: auth.ModeToken},
	} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := auth.New(auth.DefaultConfig(), auth.Secret{}, &memory{}, time.Now); err == nil {
		t.Error("a zero secret was accepted")
	}
}

func FuzzVerify(f *testing.F) {
	b := &bench{secret: auth.SecretFromBytes(secretBytes), keys: &memory{}, now: time.Unix(1_800_000_000, 0)}
	issuer, err := auth.New(auth.DefaultConfig(), b.secret, b.keys, func() time.Time { return b.now })
	if err != nil {
		f.Fatal(err)
	}
	good, _, err := issuer.Issue("n", auth.Admin(), 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := issuer.Verify(token); err == nil && token != good {
			t.Errorf("%q is accepted", token)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	issuer, err := auth.New(auth.DefaultConfig(), auth.SecretFromBytes(secretBytes), &memory{}, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := issuer.Issue("n", auth.Admin(), 0)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := issuer.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
