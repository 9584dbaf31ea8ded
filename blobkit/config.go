package blobkit

import "fmt"

// Config is the part of the section `blobs` that concerns the local store.
type Config struct {
	Reserve uint64 `koanf:"reserve" comment:"Bytes of free disk that blobs leave alone: a put that would go below ends with a disk-full error and leaves nothing. Default 64 MiB, what the database needs to shut down in order."`
	MaxSize uint64 `koanf:"max_size" comment:"Bytes of the largest blob that is accepted. Default 1 TiB, the limit of the format: disk space is the real limit."`
}

// DefaultConfig is what a node uses when nothing is configured.
func DefaultConfig() Config { return Config{Reserve: 64 << 20, MaxSize: MaxBlob} }

// Validate reports the first setting that can not work, by its key.
func (c Config) Validate() error {
	if c.MaxSize == 0 || c.MaxSize > MaxBlob {
		return fmt.Errorf("blobs.max_size: %d is outside of 1 to %d bytes", c.MaxSize, int64(MaxBlob))
	}
	return nil
}
