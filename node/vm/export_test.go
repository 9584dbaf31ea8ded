package vm

// Rewritten gives a module as wazero gets it.
func Rewritten(wasm []byte) ([]byte, error) {
	info, err := inspect(wasm)
	if err != nil {
		return nil, err
	}
	return info.clean, nil
}
