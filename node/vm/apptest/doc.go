// Package apptest gives tests real applications: written in Go, built with the
// toolchain that runs the tests, once in each test process. It also holds a few
// modules of some bytes each that no host may accept, and guesses arguments for the
// methods of applications that nothing is known of.
//
// The sources lie in node/vm/testdata/apps; the key-value application that
// keeps its map by itself is the example in node/sdk/examples/rawkv. All functions
// may be called from tests that run in parallel, in one process or in several. Where no Go toolchain is
// found the test is skipped, saying so; a source that does not build fails it.
package apptest
