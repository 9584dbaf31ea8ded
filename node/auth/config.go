package auth

import (
	"fmt"
	"time"
)

// The two ways a node checks its callers.
const (
	// ModeToken asks for a token on every route that is not public.
	ModeToken = "token"
	// ModeNone asks for none; node/server then listens on loopback only (R25).
	ModeNone = "none"
)

// Limits of a token's lifetime.
const (
	// MinTTL is the shortest lifetime: claims have a resolution of a second.
	MinTTL = time.Second
	// MaxTTL is the longest, ten years: long enough for a service account,
	// short enough that every token ends.
	MaxTTL = 10 * 365 * 24 * time.Hour
)

// Config is the section auth of config.toml.
type Config struct {
	Mode     string        `koanf:"mode" comment:"Who may call the API: token (a bearer token is needed) or none (anybody who reaches the port; loopback only)."`
	TokenTTL time.Duration `koanf:"token_ttl" comment:"How long a new token is good when its maker does not say. A day bounds what a leaked token can do."`
}

// DefaultConfig asks for tokens that last a day.
func DefaultConfig() Config {
	return Config{Mode: ModeToken, TokenTTL: 24 * time.Hour}
}

// Validate names the key that is wrong.
func (c Config) Validate() error {
	if c.Mode != ModeToken && c.Mode != ModeNone {
		return fmt.Errorf("auth.mode: %q is not %q or %q", c.Mode, ModeToken, ModeNone)
	}
	if c.TokenTTL < MinTTL || c.TokenTTL > MaxTTL {
		return fmt.Errorf("auth.token_ttl: %s is not between %s and %s", c.TokenTTL, MinTTL, MaxTTL)
	}
	return nil
}
