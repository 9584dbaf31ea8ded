package blobkit_test

import (
	"testing"

	"mero/blobkit"
	"mero/blobkit/blobtest"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t testing.TB, dir string) *blobkit.Store {
		t.Helper()
		return open(t, dir, blobkit.DefaultConfig())
	})
}
