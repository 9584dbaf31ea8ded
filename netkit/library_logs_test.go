package netkit_test

import (
	"log/slog"
	"testing"

	"github.com/rs/zerolog"

	"mero/netkit"
)

func TestLibraryLogs(t *testing.T) {
	for level, want := range map[zerolog.Level]int{zerolog.DebugLevel: 2, zerolog.InfoLevel: 0} {
		var seen logs
		log := slog.New(netkit.LibraryHandler(zerolog.New(&seen).Level(level))).With("logger", "swarm").WithGroup("conn")
		log.Debug("a detail")
		log.Info("a detail")
		log.Warn("a warning", "peer", "x")
		log.Error("an error", "peer", "x")
		if got := len(seen.lines(`"level":"debug"`, "swarm", `"x"`)); got != want || len(seen.lines("")) != want {
			t.Errorf("at level %s: %q, want %d lines", level, seen.lines(""), want)
		}
	}
}
