package auth

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// IssuerName is the iss and aud claim of every token (http-api 5.5).
	IssuerName = "mero"
	// MaxNameLen bounds a token's name in bytes.
	MaxNameLen = 100
	// MaxTokenLen bounds a token's text in bytes (R24): MaxScopes long scopes
	// stay below what servers accept as one header.
	MaxTokenLen = 64 << 10
	// MaxHandedOn bounds how many keys may stand above a key: Verify reads them
	// all (R24).
	MaxHandedOn = 8

	// keepExpired is how long the record of an expired token is listed.
	keepExpired = 7 * 24 * time.Hour
	// sweepEvery bounds how often Issue looks for records to forget.
	sweepEvery = time.Hour
)

// The values of the token_type claim.
const (
	// TypeAccess marks a token that Verify accepts.
	TypeAccess = "access"
	// TypeRefresh marks one that only buys a new access token.
	TypeRefresh = "refresh"
)

// Claims is the payload of a token (http-api 5.5); ASCII only, since clients
// decode it with atob.
type Claims struct {
	jwt.RegisteredClaims

	// TokenType is TypeAccess or TypeRefresh.
	TokenType string `json:"token_type"`
	// Permissions is the scope list at the time of issue; clients read it,
	// this node reads the key record.
	Permissions []string `json:"permissions"`
}

// Identity is who speaks, once a token was verified.
type Identity struct {
	// KeyID names the key record.
	KeyID string
	// Name is the token's name.
	Name string
	// Scopes is what is allowed.
	Scopes Scopes
	// Expires is when the token ends; zero in ModeNone, where nobody has one.
	Expires time.Time
}

// Issuer makes, checks and revokes tokens.
type Issuer struct {
	cfg    Config
	secret Secret
	keys   Keys
	now    func() time.Time
	parser *jwt.Parser
	seen   cache

	mu     sync.Mutex // serialises writers of key records: Revoke reads, then writes
	sweptA time.Time  // when records were last swept
}

// New makes an issuer. now is the clock (time.Now in a node). It is an error
// when the secret is the zero value.
func New(cfg Config, secret Secret, keys Keys, now func() time.Time) (*Issuer, error) {
	if secret.isZero() {
		return nil, errors.New("auth: no secret was given")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Issuer{
		cfg: cfg, secret: secret, keys: keys, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(IssuerName), jwt.WithAudience(IssuerName),
			jwt.WithExpirationRequired(), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(),
		),
	}, nil
}

// Mode is ModeToken or ModeNone.
func (i *Issuer) Mode() string { return i.cfg.Mode }

// Issue makes an access token for who owns the node. ttl 0 means the configured
// lifetime. Errors: ErrBadScope, ErrBadTTL, ErrBadName, or that of the store.
func (i *Issuer) Issue(name string, scopes Scopes, ttl time.Duration) (string, Claims, error) {
	return i.IssueFrom(Identity{}, name, scopes, ttl)
}

// IssueFrom is Issue for a caller who came with a token, and is what Verify said
// of it. The new token ends when the caller's does, whatever ttl says, and once
// the caller's key is revoked. Whether the caller holds the scopes is for the
// caller of this method to ask. Further errors: ErrRevoked and ErrExpired when
// the caller's token ended meanwhile, ErrTooDeep.
func (i *Issuer) IssueFrom(by Identity, name string, scopes Scopes, ttl time.Duration) (string, Claims, error) {
	if len(name) > MaxNameLen || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", Claims{}, fmt.Errorf("%w: at most %d printable ASCII characters", ErrBadName, MaxNameLen)
	}
	if name == LocalName {
		return "", Claims{}, fmt.Errorf("%w: %q is the node's own", ErrBadName, name)
	}
	return i.issue(by, name, scopes, ttl)
}

func (i *Issuer) issue(by Identity, name string, scopes Scopes, ttl time.Duration) (string, Claims, error) {
	if ttl == 0 {
		ttl = i.cfg.TokenTTL
	}
	if ttl < MinTTL || ttl > MaxTTL {
		return "", Claims{}, fmt.Errorf("%w: %s is not between %s and %s", ErrBadTTL, ttl, MinTTL, MaxTTL)
	}
	permissions := scopes.Strings()
	if _, err := ParseScopes(permissions); err != nil { // scopes need not come from ParseScopes
		return "", Claims{}, err
	}
	now := i.now().UTC().Truncate(time.Second)
	key := Key{ID: randomHex(), Name: name, Scopes: permissions, Parent: by.KeyID, Created: now, Expires: now.Add(ttl)}
	if !by.Expires.IsZero() && key.Expires.After(by.Expires) {
		key.Expires = by.Expires.UTC()
	}
	if !now.Before(key.Expires) {
		return "", Claims{}, ErrExpired
	}
	claims := Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: IssuerName, Audience: jwt.ClaimStrings{IssuerName}, Subject: key.ID, ID: newUUID(),
			IssuedAt: jwt.NewNumericDate(key.Created), ExpiresAt: jwt.NewNumericDate(key.Expires),
		},
		TokenType: TypeAccess, Permissions: permissions,
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(i.secret.key[:])
	if err != nil {
		return "", Claims{}, fmt.Errorf("auth: sign: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.sweep(now); err != nil {
		return "", Claims{}, err
	}
	// Under the lock that Revoke takes: a token that was revoked since the
	// caller came makes no others.
	if err := i.lineage(key); err != nil {
		return "", Claims{}, err
	}
	if err := i.keys.PutKey(key); err != nil {
		return "", Claims{}, fmt.Errorf("auth: store key: %w", err)
	}
	return token, claims, nil
}

// Verify checks an access token. The error is ErrMissing, ErrExpired,
// ErrRevoked, ErrInvalid (wrapped with what is wrong, never with the token),
// or that of the store.
func (i *Issuer) Verify(token string) (Identity, error) {
	if token == "" {
		return Identity{}, ErrMissing
	}
	if len(token) > MaxTokenLen {
		return Identity{}, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxTokenLen)
	}
	digest := digestOf(token)
	id, ok, epoch := i.seen.get(digest)
	if !ok {
		var err error
		if id, err = i.verify(token); err != nil {
			return Identity{}, err
		}
		i.seen.put(digest, id, epoch)
	}
	if !i.now().Before(id.Expires) {
		return Identity{}, ErrExpired
	}
	return id, nil
}

func (i *Issuer) verify(token string) (Identity, error) {
	var claims Claims
	// The library compares signatures in constant time (hmac.Equal) and looks
	// at claims only afterwards.
	_, err := i.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return i.secret.key[:], nil })
	expired := errors.Is(err, jwt.ErrTokenExpired)
	switch {
	case err != nil && !expired:
		return Identity{}, fmt.Errorf("%w: %s", ErrInvalid, reason(err))
	case claims.TokenType != TypeAccess:
		return Identity{}, fmt.Errorf("%w: it is not an access token", ErrInvalid)
	}
	key, ok, err := i.keys.Key(claims.Subject)
	switch {
	case err != nil:
		return Identity{}, fmt.Errorf("auth: read key: %w", err)
	case ok:
		err = i.lineage(key)
	default:
		err = fmt.Errorf("%w: its key is unknown", ErrInvalid)
	}
	switch {
	case errors.Is(err, ErrRevoked): // said also when it has expired since
		return Identity{}, ErrRevoked
	case expired:
		return Identity{}, ErrExpired
	case errors.Is(err, ErrTooDeep): // this node makes no such key
		return Identity{}, fmt.Errorf("%w: its key has no end of keys above it", ErrInvalid)
	case err != nil:
		return Identity{}, err
	}
	scopes, err := ParseScopes(key.Scopes)
	if err != nil {
		return Identity{}, fmt.Errorf("auth: key %s: %w", key.ID, err)
	}
	expires := key.Expires
	if claims.ExpiresAt.Before(expires) {
		expires = claims.ExpiresAt.Time
	}
	return Identity{KeyID: key.ID, Name: key.Name, Scopes: scopes, Expires: expires}, nil
}

// lineage looks at a key and those above it. The error is ErrRevoked when one of
// them is revoked, ErrTooDeep when there are more than MaxHandedOn, ErrInvalid
// when one of them is unknown (no key outlives those above it, so none of them is
// forgotten before it is over itself), or that of the store.
func (i *Issuer) lineage(key Key) error {
	for above := 0; ; above++ {
		switch {
		case !key.Revoked.IsZero():
			return ErrRevoked
		case key.Parent == "":
			return nil
		case above == MaxHandedOn:
			return ErrTooDeep
		}
		parent, ok, err := i.keys.Key(key.Parent)
		if err != nil {
			return fmt.Errorf("auth: read key: %w", err)
		}
		if !ok {
			return fmt.Errorf("%w: the key that made it is unknown", ErrInvalid)
		}
		key = parent
	}
}

// reason says what is wrong with a token in words that cannot quote it.
func reason(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "it is not a JWT"
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return "its signature is not this node's"
	}
	return "its claims are not this node's"
}

// Revoke ends a key's token now, and those that were made with it. Revoking
// twice keeps the first time. The error is ErrUnknownKey or that of the store.
// It is one write, since the tokens below ask for this record: no crash leaves
// some of them good.
func (i *Issuer) Revoke(keyID string) (Key, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	key, ok, err := i.keys.Key(keyID)
	if err != nil {
		return Key{}, fmt.Errorf("auth: read key: %w", err)
	}
	if !ok {
		return Key{}, fmt.Errorf("%w: %q", ErrUnknownKey, keyID)
	}
	if key.Revoked.IsZero() {
		key.Revoked = i.now().UTC().Truncate(time.Second)
		if err := i.keys.PutKey(key); err != nil {
			return Key{}, fmt.Errorf("auth: store key: %w", err)
		}
	}
	i.seen.clear()
	return key, nil
}

// Keys lists all key records, oldest first. One that is over because a key
// above it was revoked is shown as revoked.
func (i *Issuer) Keys() ([]Key, error) {
	keys, err := i.keys.Keys()
	if err != nil {
		return nil, fmt.Errorf("auth: list keys: %w", err)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	inherit(keys)
	return keys, nil
}

// inherit marks the keys below those that are revoked.
func inherit(keys []Key) {
	at := make(map[string]int, len(keys))
	for n := range keys {
		at[keys[n].ID] = n
	}
	for n := range keys {
		ended := keys[n].Revoked
		parent, ok := at[keys[n].Parent]
		for above := 0; ok && above < MaxHandedOn; above++ {
			if when := keys[parent].Revoked; ended.IsZero() || !when.IsZero() && when.Before(ended) {
				ended = when
			}
			parent, ok = at[keys[parent].Parent]
		}
		keys[n].Revoked = ended
	}
}

// sweep forgets records that expired long ago: without it a script that asks
// for a token every minute fills the store. Called with mu held.
func (i *Issuer) sweep(now time.Time) error {
	if since := now.Sub(i.sweptA); since >= 0 && since < sweepEvery {
		return nil
	}
	keys, err := i.keys.Keys()
	if err != nil {
		return fmt.Errorf("auth: list keys: %w", err)
	}
	for _, key := range keys {
		if now.Sub(key.Expires) > keepExpired {
			if err := i.keys.DeleteKey(key.ID); err != nil {
				return fmt.Errorf("auth: forget key: %w", err)
			}
		}
	}
	i.sweptA = now
	return nil
}

func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// newUUID draws a version 4 UUID, the form of the jti claim (http-api 5.5).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
