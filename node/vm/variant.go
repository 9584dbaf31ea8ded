package vm

import (
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"mero/node/vm/meter"
)

// variant is another way to run guests, for tests and benchmarks that compare;
// a node runs the zero value.
type variant struct {
	plain       bool   // without fuel: an endless loop is one
	closeOnDone bool   // wazero's own way to end calls
	interpreter bool   // wazero's other engine
	chunk       uint64 // 0: fuelChunk
}

func (v variant) rewrite(wasm []byte) (*meter.Module, error) {
	if v.plain {
		return meter.Check(wasm)
	}
	return meter.Rewrite(wasm)
}

// config is how wazero compiles and runs what rewrite gives.
func (v variant) config() wazero.RuntimeConfig {
	config := wazero.NewRuntimeConfig()
	if v.interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	return config.
		WithCoreFeatures(api.CoreFeaturesV2.SetEnabled(api.CoreFeatureSIMD, false)).
		WithMemoryLimitPages(MaxMemoryPages).
		WithCloseOnContextDone(v.closeOnDone).
		WithDebugInfoEnabled(false)
}
