package examples

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
)

//go:generate go test -run ^(TestGenerated|TestEmbedded)$ -update .

// kv is compressed: it is a twentieth of the program otherwise (P24).
//
//go:embed kv.wasm.gz
var kv []byte

// KV is the key-value application (folder kv), whose map the host keeps: init{},
// set{key, value}, get{key}, remove{key}, entries{}, len{}. Its description is in
// it. The caller owns the bytes.
func KV() []byte {
	code, err := unpack(kv)
	if err != nil {
		panic("embedded example: " + err.Error()) //nolint:forbidigo // it was read by a test before it was shipped
	}
	return code
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
