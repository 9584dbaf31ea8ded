package syncer

import (
	"errors"
	"fmt"
	"time"
)

// Config is the section `sync`.
type Config struct {
	Check     time.Duration `koanf:"check" comment:"How often the node looks whether contexts came or went, and what is due. Default 10s."`
	Interval  time.Duration `koanf:"interval" comment:"Shortest time between two sessions of one context with one peer. A new connection, and a delta whose parents are missing, do not wait for it. Default 5s."`
	Timeout   time.Duration `koanf:"timeout" comment:"How long a step of an exchange may be without progress. There is no limit for all of it. Default 30s."`
	Heartbeat time.Duration `koanf:"heartbeat" comment:"How often each pair of peers compares its contexts. It is done soon after a change as well. Default 30s."`
	Sessions  int           `koanf:"sessions" comment:"Most sessions at a time that this node begins. Default 8."`
	RetryMax  time.Duration `koanf:"retry_max" comment:"Longest wait before a peer is asked again for a context with which sessions fail; it begins with the interval, doubles with each failure, and a random part of up to a half is taken off. Default 5m."`
	Discovery time.Duration `koanf:"discovery" comment:"How often a context without connected members looks for some in the DHT. Default 30s."`
}

// DefaultConfig is what a node uses when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Check: 10 * time.Second, Interval: 5 * time.Second, Timeout: 30 * time.Second, Heartbeat: 30 * time.Second,
		Sessions: 8, RetryMax: 5 * time.Minute, Discovery: 30 * time.Second,
	}
}

// Validate reports the first setting that can not work, by its key.
func (c Config) Validate() error {
	for _, d := range []struct {
		key         string
		value       time.Duration
		least, most time.Duration
	}{
		{"check", c.Check, 100 * time.Millisecond, time.Hour},
		{"interval", c.Interval, 10 * time.Millisecond, time.Hour},
		{"timeout", c.Timeout, time.Second, time.Hour},
		{"heartbeat", c.Heartbeat, 100 * time.Millisecond, time.Hour},
		{"retry_max", c.RetryMax, 10 * time.Millisecond, 24 * time.Hour},
		{"discovery", c.Discovery, time.Second, 24 * time.Hour},
	} {
		if d.value < d.least || d.value > d.most {
			return fmt.Errorf("sync.%s: %s is not between %s and %s", d.key, d.value, d.least, d.most)
		}
	}
	if c.Sessions < 1 || c.Sessions > 1024 {
		return fmt.Errorf("sync.sessions: %d is not between 1 and 1024", c.Sessions)
	}
	if c.RetryMax < c.Interval {
		return errors.New("sync.retry_max: shorter than sync.interval")
	}
	return nil
}
