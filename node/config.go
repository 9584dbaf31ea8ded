package node

import (
	"fmt"
	"strings"

	"mero/blobkit"
	"mero/netkit"
	"mero/node/auth"
	"mero/node/replica"
	"mero/node/server"
	"mero/node/store"
	"mero/node/syncer"
	"mero/node/vm"
)

// Config is the configuration of a node: one struct per package, each a section
// of config.toml.
type Config struct {
	Network netkit.Config  `koanf:"network"`
	Storage store.Config   `koanf:"storage"`
	Runtime vm.Config      `koanf:"runtime"`
	State   replica.Config `koanf:"state"`
	Sync    syncer.Config  `koanf:"sync"`
	Server  server.Config  `koanf:"server"`
	Auth    auth.Config    `koanf:"auth"`
	Blobs   blobkit.Config `koanf:"blobs"`
	Log     LogConfig      `koanf:"log"`
}

// DefaultConfig is what a node uses when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Network: netkit.DefaultConfig(),
		Storage: store.DefaultConfig(),
		Runtime: vm.DefaultConfig(),
		State:   replica.DefaultConfig(),
		Sync:    syncer.DefaultConfig(),
		Server:  server.DefaultConfig(),
		Auth:    auth.DefaultConfig(),
		Blobs:   blobkit.DefaultConfig(),
		Log:     DefaultLogConfig(),
	}
}

// Validate reports the first setting that can not work; the error begins with
// its key.
func (c Config) Validate() error {
	for _, section := range []interface{ Validate() error }{
		c.Network, c.Storage, c.Runtime, c.State, c.Sync, c.Server, c.Auth, c.Blobs, c.Log,
	} {
		if err := section.Validate(); err != nil {
			return err
		}
	}
	if c.Auth.Mode == auth.ModeNone && !c.Server.Loopback() {
		return fmt.Errorf("auth.mode: none is for loopback only, and server.listen is %s", strings.Join(c.Server.Listen, ", "))
	}
	return nil
}
