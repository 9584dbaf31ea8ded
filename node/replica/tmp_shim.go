package replica

import (
	"mero/node/artifact"
)

func checkArtifact(raw []byte, pinned uint16, limit uint64) (fits uint16, late bool) {
	for _, l := range artifact.Layouts(raw) {
		if pinned&(1<<l) == 0 {
			continue
		}
		fits |= 1 << l
		if latest, _ := artifact.Times(raw, l); latest > limit {
			late = true
		}
	}
	return fits, late
}
