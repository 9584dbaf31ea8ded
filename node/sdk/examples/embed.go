package examples

import _ "embed"

//go:generate go test -run ^TestEmbedded$ -update .

//go:embed kv.wasm
var kv string

// KV is the key-value application (folder kv): init{}, set{key, value},
// get{key}, remove{key}, entries{}, len{}. The caller owns the bytes.
func KV() []byte { return []byte(kv) }
