package bench

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"strings"
)

// measureSize is P24.
func measureSize(_ context.Context, b *bench) error {
	info, err := os.Stat(b.program.Path)
	if err != nil {
		return fmt.Errorf("size of this program: %w", err)
	}
	total := uint64(max(info.Size(), 0))
	symbols, kind := lookELF(b.program.Path)
	r := size("P24", "size of this program", "", total).note(kind)
	if symbols == 0 {
		return b.emit(r.targets(40, 25))
	}
	bare := size("P24", "size of this program without symbols", "", total-symbols).note("as install.sh builds it")
	return b.emitAll(bare.targets(40, 25), r)
}

// lookELF is how much of a program are symbols and debugging data, and what
// kind it is; other formats than ELF are not looked at.
func lookELF(path string) (symbols uint64, kind string) {
	f, err := elf.Open(path)
	if err != nil {
		return 0, "whether it is stripped is known for ELF alone"
	}
	defer f.Close() //nolint:errcheck // read only
	for _, s := range f.Sections {
		if s.Name == ".symtab" || s.Name == ".strtab" || strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			symbols += s.FileSize
		}
	}
	kind = "stripped"
	if symbols > 0 {
		kind = "not stripped"
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return symbols, kind + ", dynamically linked"
		}
	}
	return symbols, kind + ", static"
}
