//go:build !wasip1

// Package sdktest runs an application's logic in `go test`, natively and in
// memory: on one replica, or on several with their deltas delivered in any order,
// merged by the code that nodes merge with.
//
//	func TestTwoEdit(t *testing.T) {
//		net := sdktest.New(t, 2, (*Notes).Init)
//		alice, bob := net.Replica(0), net.Replica(1)
//		alice.Must(func(n *Notes) error { _, err := n.Add("a", "from alice"); return err })
//		bob.Must(func(n *Notes) error { _, err := n.Add("b", "from bob"); return err })
//		net.Settle() // delivers everything, shuffled, and compares the replicas
//		bob.View(func(n *Notes) { … })
//	}
//
// Each replica has a member of its own. A call ends as on a node: with an error,
// or for what the host refuses, nothing of it is kept. A Go panic of the
// application is not caught, so that the test shows its stack.
//
// What differs from a node: the application is not WebAssembly here, so package
// variables live on between calls (on a node they are as after the start, each
// time), there is no fuel, and values pass through encoding/json.
//
// A network is for one goroutine, and a call cannot be made within another. Random choices come from a seed that is logged
// when the test fails; SDKTEST_SEED sets it.
package sdktest
