package meter

import "strconv"

// Version names what Rewrite makes of a module, for whoever keeps it or what
// was compiled from it.
const Version = 1

// What Rewrite adds to a module.
const (
	// HookModule and HookName are the import that is called when one of the
	// globals is below zero: it refills FuelGlobal, or does not return.
	HookModule = "mero:meter"
	HookName   = "refill"
	// FuelGlobal is exported: the fuel that is left, a mutable i64 that begins
	// at 0.
	FuelGlobal = "mero:fuel"
	// DepthGlobal is exported: how much call depth is left, a mutable i64 that
	// begins at DepthLimit. A trap leaves it where it was.
	DepthGlobal = "mero:depth"

	// reserved begins all names that are put in.
	reserved = "mero:"
	// maxExported is how many mutable globals are exported at most: Go guests
	// have 8, others fewer.
	maxExported = 64
)

// GlobalName is the name under which the i-th mutable global of a module is
// exported, 0 ≤ i < Module.Globals.
func GlobalName(i int) string { return reserved + "global:" + strconv.Itoa(i) }

// DepthLimit is how deep calls may nest, in frames of usual size; one of n
// kilobytes counts n+1 times, and a function that calls nothing is not counted.
// wazero's interpreter ends at 2 000 frames, host functions included, and its
// compiler at 50 MB of stack.
const DepthLimit = 1_900

// added is where the things lie that are put in.
type added struct {
	there [secDataCount + 1]bool // sections that were written
	// hookType is the type () -> (); wraps gives the type () -> (results) for
	// results that no block can name otherwise.
	hookType uint32
	wraps    map[string]uint32
	// hook is the index of the imported function, which is the number of the
	// module's own imports; fuel and depth are global indices.
	hook, fuel, depth uint32
}

// complete writes sections that the module does not have, and that something is
// put into, before the one of the given rank.
func (m *scan) complete(rank int) {
	if m.plain {
		return
	}
	for _, id := range []byte{secType, secImport, secGlobal, secExport} {
		if sectionRank(id) < rank && !m.there[id] {
			// An empty section cannot fail.
			_ = m.section(id, []byte{0})
		}
	}
}

// shift gives the index that a function has now.
func (m *scan) shift(i uint32) uint32 {
	if !m.plain && i >= m.hook {
		return i + 1
	}
	return i
}

// function reads the index of a function, and writes the one that it has now.
func (m *scan) function(r *reader) uint32 {
	start := r.off
	i := r.index(len(m.funcs), "function")
	if r.err == nil && !m.plain {
		r.replace(start, m.shift(i))
	}
	return i
}

// vector reads the number of entries of a section that gets more.
func (m *scan) vector(r *reader, size, more int) int {
	n := r.count(size)
	if !m.plain {
		r.out = appendU32(r.out, uint32(n+more))
		r.discard()
	}
	return n
}

// addTypes writes the types of a section, n of them the module's own, and adds
// those that the code needs.
func (m *scan) addTypes(r *reader, n int) {
	r.keep()
	if m.plain {
		r.out = append(appendU32(nil, uint32(n)), r.out...)
		return
	}
	known := map[string]uint32{}
	key := func(t FuncType) string { return string(t.Params) + ">" + string(t.Results) }
	for i, t := range m.types {
		if _, ok := known[key(t)]; !ok {
			known[key(t)] = uint32(i)
		}
	}
	total := n
	need := func(results []byte) uint32 {
		t := FuncType{Results: results}
		if i, ok := known[key(t)]; ok {
			return i
		}
		r.out = append(appendU32(append(r.out, 0x60, 0), uint32(len(results))), results...)
		known[key(t)] = uint32(total)
		total++
		return known[key(t)]
	}
	m.hookType = need(nil)
	m.wraps = map[string]uint32{}
	for _, t := range m.types {
		if len(t.Results) > 1 {
			m.wraps[string(t.Results)] = need(t.Results)
		}
	}
	r.out = append(appendU32(nil, uint32(total)), r.out...)
}

func (m *scan) addImport(r *reader) {
	m.hook = uint32(len(m.Imports))
	if m.plain {
		return
	}
	r.keep()
	r.out = append(appendU32(r.out, uint32(len(HookModule))), HookModule...)
	r.out = append(appendU32(r.out, uint32(len(HookName))), HookName...)
	r.out = appendU32(append(r.out, externFunc), m.hookType)
}

func (m *scan) addGlobals(r *reader) {
	m.fuel, m.depth = uint32(m.globals), uint32(m.globals)+1
	if m.plain {
		return
	}
	r.keep()
	for _, v := range []int64{0, DepthLimit} {
		r.out = append(appendSigned(append(r.out, 0x7e, 1, 0x42), v), 0x0b)
	}
}

func (m *scan) addExports(r *reader) {
	if m.plain {
		return
	}
	r.keep()
	export := func(name string, global uint32) {
		r.out = append(appendU32(r.out, uint32(len(name))), name...)
		r.out = appendU32(append(r.out, externGlobal), global)
	}
	export(FuelGlobal, m.fuel)
	export(DepthGlobal, m.depth)
	for i, global := range m.mutable {
		export(GlobalName(i), global)
	}
}
