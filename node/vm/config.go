package vm

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/vm/meter"
)

// Config is section `runtime` of the node's configuration.
type Config struct {
	CallFuel    uint64        `koanf:"call_fuel" comment:"How much fuel one call of an application may use before it is stopped, in units of about one instruction. What other replicas do to follow a call has a limit of its own, which is no setting; this one can only be smaller."`
	CallTimeout time.Duration `koanf:"call_timeout" comment:"How long one call of an application may take before it is stopped. The largest step seen in 60 real applications took 7 s."`
	MemoryPool  uint64        `koanf:"memory_pool" comment:"Bytes of linear memory kept ready between calls. A call that finds memory here starts in 0.03 ms instead of 0.6 ms; real applications need 1 to 4 MiB each. Half of it may be with instances of Go applications that are ready to be used."`
	MemoryLimit uint64        `koanf:"memory_limit" comment:"Bytes that all running calls may have together: their linear memory, 64 MiB each at most, and what the node holds for them (written and old values, registers, output). A call that finds none left fails and can be repeated. The default lets one call reach the limits of its state, or some hundred usual ones run side by side."`
}

// DefaultConfig is what a node runs with.
func DefaultConfig() Config {
	return Config{CallFuel: ApplyFuel, CallTimeout: 30 * time.Second, MemoryPool: 32 << 20, MemoryLimit: 1 << 30}
}

// Validate reports the first value that cannot work, with its key.
func (c Config) Validate() error {
	switch {
	case c.CallFuel == 0 || c.CallFuel > ApplyFuel:
		return fmt.Errorf("runtime.call_fuel: %d, want 1 to %d", c.CallFuel, ApplyFuel)
	case c.CallTimeout <= 0:
		return fmt.Errorf("runtime.call_timeout: %s, want more than 0", c.CallTimeout)
	case c.MemoryLimit < 2*maxMemoryBytes:
		// While memory grows, the old and the new buffer are both lent.
		return fmt.Errorf("runtime.memory_limit: %d bytes, one call alone may need %d", c.MemoryLimit, 2*maxMemoryBytes)
	}
	return nil
}

// Deps is what an Engine needs from its node.
type Deps struct {
	// CacheDir is the directory of the compile cache, made if missing; empty:
	// modules are compiled anew by every process.
	CacheDir string
	Log      zerolog.Logger
	Metrics  prometheus.Registerer
}

const (
	// MaxMemoryPages is the hard limit of a guest's memory, in pages of 64 KiB.
	MaxMemoryPages = meter.MaxMemoryPages

	pageSize       = 64 << 10
	maxMemoryBytes = MaxMemoryPages * pageSize
)

// Limits of one call (wasm-abi 2). Sizes are bytes; a size above its limit and a
// count at its limit fail. They are constants, not configuration, since a guest
// can feel them and replicas have to agree (R7).
const (
	maxRegisters         = 100
	maxRegisterSize      = 100 << 20
	maxRegistersCapacity = 1 << 30

	maxLogs    = 1024
	maxLogSize = 16 << 10

	maxEvents          = 100
	maxEventKindSize   = 100
	maxEventDataSize   = 16 << 10
	maxHandlerNameSize = 256

	maxXCalls        = 100
	maxXCallFunction = 100
	maxXCallParams   = 16 << 10

	maxKeySize    = 1 << 20
	maxValueSize  = 10 << 20
	maxWrites     = 100_000
	maxWriteBytes = 128 << 20
	// maxOldBytes bounds the replaced values that an overlay keeps.
	maxOldBytes = 128 << 20

	maxReturnSize   = 16 << 20
	maxArtifactSize = 16 << 20

	maxBlobHandles = 100
	maxBlobChunk   = 10 << 20
	maxBlobBytes   = 512 << 20

	maxContextOps       = 100
	maxContextOpSize    = 64 << 10
	maxAliasSize        = 50
	maxStderr           = 1 << 20 // of a guest; the oldest is forgotten first
	maxReadCacheEntries = 16_384
	maxReadCacheBytes   = 32 << 20
)
