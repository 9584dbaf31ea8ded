package bench

import "context"

// measure is one row of the design's table, which may give several results.
type measure struct {
	id   string
	what string // one line
	run  func(ctx context.Context, b *bench) error
}

// measures is the table: the order in which they run.
func measures() []measure {
	return []measure{
		{"P24", "size of this program", measureSize},
		{"P15", "time from start to ready", measureStart},
		{"P18", "time of one command", measureCommand},
		{"P22", "time of a read-only call, in process and over RPC", measureCall},
		{"P26", "reads over JSON-RPC against a bare HTTP handler", measureReads},
		{"P7", "durable writes", measureWrites},
		{"P25", "what a write costs by the size of the map", measureGrowth},
		{"P16", "memory of an idle node", measureMemory},
		{"P1", "one write until it can be read on another node, 10/s", measureVisible},
		{"P2", "the same at 50/s and 500/s", measureVisibleBusy},
		{"P3", "writes that another node follows", measureFollow},
		{"P4", "a fresh node joins, until it is equal", measureFresh},
		{"P6", "two nodes write at once, until they are equal", measureBoth},
		{"P10", "two nodes write apart, until they are equal again", measurePartition},
		{"P20", "CPU of an idle node with peers", measureIdleCPU},
		{"P21", "traffic between idle nodes", measureIdleNetwork},
	}
}

// Info names a measure.
type Info struct{ ID, What string }

// Measures lists all, in the order in which they run.
func Measures() []Info {
	var list []Info
	for _, m := range measures() {
		list = append(list, Info{m.id, m.what})
	}
	return list
}
