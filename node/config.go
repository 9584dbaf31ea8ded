package node

import (
	"mero/blobkit"
	"mero/node/auth"
)

// Config is the configuration of a node: one struct per package, each a section
// of config.toml.
type Config struct {
	Auth  auth.Config    `koanf:"auth"`
	Blobs blobkit.Config `koanf:"blobs"`
	Log   LogConfig      `koanf:"log"`
}

// DefaultConfig is what a node uses when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Auth:  auth.DefaultConfig(),
		Blobs: blobkit.DefaultConfig(),
		Log:   DefaultLogConfig(),
	}
}

// Validate reports the first setting that can not work; the error begins with
// its key.
func (c Config) Validate() error {
	for _, section := range []interface{ Validate() error }{
		c.Auth, c.Blobs, c.Log,
	} {
		if err := section.Validate(); err != nil {
			return err
		}
	}
	return nil
}
