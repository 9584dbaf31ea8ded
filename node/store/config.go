package store

import (
	"errors"
	"time"
)

const (
	// DefaultReserve is the free space below which nothing is written.
	DefaultReserve = 64 << 20
	// maxReserve catches a unit that was mixed up.
	maxReserve = 1 << 50
	// watchEvery is how often Run looks at the disk for metrics and logs; every
	// commit looks by itself.
	watchEvery = 5 * time.Second
	// verifyAtOpen is how many bytes of tables are read when the store is opened,
	// newest first; Run reads the rest. Larger stores would start slowly.
	verifyAtOpen = 256 << 20
	// closeWait is how long Close waits for views that are still open.
	closeWait = 10 * time.Second
)

// Config is the section `storage` of the node's configuration.
type Config struct {
	// Fsync makes every acknowledged write durable against power loss.
	Fsync bool `koanf:"fsync" comment:"Wait for the disk before a write is acknowledged. Off, a power cut loses the last seconds and the next start asks for accept_loss; a killed process loses nothing either way."`
	// Reserve is the free space in bytes below which the store is read-only.
	Reserve uint64 `koanf:"reserve" comment:"Free disk space in bytes below which nothing is written. The default of 64 MiB is what compaction may need for a moment; less risks a crash when the disk fills up."`
	// AcceptLoss opens a store that has lost acknowledged steps.
	AcceptLoss bool `koanf:"accept_loss" comment:"Open the store although acknowledged writes were lost to damage. Set it for one start, after the node named the damaged file; what was lost comes back from other members."`
}

// DefaultConfig is what a node uses unless told otherwise.
func DefaultConfig() Config {
	return Config{Fsync: true, Reserve: DefaultReserve}
}

// Validate checks the values; its error names the key.
func (c Config) Validate() error {
	if c.Reserve > maxReserve {
		return errors.New("storage.reserve: more than 1 PiB; the unit is bytes")
	}
	return nil
}
