package vm

import "mero/node/vm/meter"

// Rewritten gives a module as it is checked, without what fuel puts in.
func Rewritten(wasm []byte) ([]byte, error) {
	info, err := meter.Check(wasm)
	if err != nil {
		return nil, err
	}
	return info.Code, nil
}

// Compare sets how an engine runs guests, before it compiles any: see variant.
func (e *Engine) Compare(plain, closeOnDone, interpreter bool, chunk uint64) {
	e.variant = variant{plain, closeOnDone, interpreter, chunk}
}
