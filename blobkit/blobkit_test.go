package blobkit_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
)

func open(t testing.TB, dir string, cfg blobkit.Config) *blobkit.Store {
	t.Helper()
	s, err := blobkit.Open(dir, blobkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
