package node_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rows is the import law: a package imports only packages of rows above its
// own. A new package is added here first. Not all of them exist yet.
var rows = [][]string{
	{"node/ident", "node/disk", "node/vm/meter", "node/store/files", "node/collections", "node/task", "node/detcbor"},
	{"blobkit", "netkit", "node/vm", "node/auth", "node/root", "node/artifact", "node/manifest"},
	{"blobkit/blobtest", "netkit/netsim", "node/delta", "node/vm/apptest", "node/appgen", "node/sdk/examples"},
	{"node/dag", "node/undo", "node/members", "node/wire", "node/store", "node/events", "node/api"},
	{"node/apps", "node/history", "node/trail", "node/layer", "node/store/storetest"},
	{"node/hosted", "node/admit"},
	{"node/fold", "node/hosted/hostedtest"},
	{"node/replica"},
	{"node/syncer", "node/inspect"},
	{"node/server"},
	{"node"},
	{"commands/child"},
	{"commands/bench", "commands/lanes", "commands/keyfile", "commands/appdev", "commands/guide", "commands/devnet"},
	{"commands/show"},
	{"commands/line"},
	{"commands/share"},
	{"node/nodetest", "commands"},
	{"cmd/mero"},
}

// guests is the code that applications are made of. It is compiled into
// WebAssembly, so it uses the standard library and itself alone, and nothing
// but itself uses it.
var guests = []string{"node/sdk/", "node/vm/testdata/apps/"}

// guestsMay is what else applications are made of: in `go test` they run on the
// collections of the host, without WebAssembly.
var guestsMay = []string{"node/collections"}

// ofGuests is what makes applications, and what of their code it uses: the one
// place that names methods, and the sources that it writes into projects.
var ofGuests = map[string][]string{
	"node/appgen":     {"node/sdk/names"},
	"commands/appdev": {"node/sdk"},
}

// carried is code of ours that goes into the projects of applications too, for
// their tests: it uses the standard library alone.
var carried = []string{"node/collections"}

// owners says which package alone may use a library, in tests as well.
var owners = map[string]string{
	"github.com/dgraph-io/badger": "node/store",
	"github.com/libp2p":           "netkit",
	"github.com/multiformats":     "netkit",
	"github.com/tetratelabs":      "node/vm",
}

// pure packages decide without doing: no I/O, clock, logger, cancellation or
// goroutine.
var (
	pure   = []string{"node/vm/meter", "node/task", "node/detcbor", "node/dag", "node/delta", "node/root", "node/artifact", "node/undo", "node/members", "node/wire", "node/collections", "node/manifest"}
	impure = []string{"context", "os", "net", "github.com/rs/zerolog"}
)

// Budgets of one package (habit 15); those of files and functions are the
// linter's.
const (
	maxImports = 12
	maxLines   = 4000
)

// topLevel is what the repository holds at its top, besides names that begin
// with a dot and what .gitignore names.
var topLevel = []string{"README.md", "LICENSE", "go.mod", "go.sum", "install.sh", "blobkit", "netkit", "node", "commands", "cmd"}

const module = "mero/"

// source is one package as it is written, whatever platform a file is for.
type source struct {
	imports     map[string][]string // import path → files
	testImports map[string][]string
	docs        []string // files with a package comment
	lines       int      // of code, without tests
	spawns      bool     // it starts goroutines
}

// sources parses every package of the repository; test data only of guests.
func sources(t *testing.T) map[string]*source {
	t.Helper()
	found := map[string]*source{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator)))
		if d.IsDir() {
			hidden := name != ".." && strings.HasPrefix(d.Name(), ".")
			if hidden || d.Name() == "testdata" && name != "node/vm/testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") {
			dir := path.Dir(name)
			if found[dir] == nil {
				found[dir] = &source{imports: map[string][]string{}, testImports: map[string][]string{}}
			}
			return found[dir].add(file, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (s *source) add(file, name string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, data, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(name, "_test.go")
	into := s.imports
	if test {
		into = s.testImports
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		into[imported] = append(into[imported], name)
	}
	if !test {
		s.lines += codeLines(data)
		s.spawns = s.spawns || spawns(data)
		if hasDoc(parsed) {
			s.docs = append(s.docs, name)
		}
	}
	return nil
}

func hasDoc(f *ast.File) bool { return f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "" }

// spawns reports whether code has a go statement.
func spawns(data []byte) bool {
	set := token.NewFileSet()
	var s scanner.Scanner
	s.Init(set.AddFile("", set.Base(), len(data)), data, nil, 0)
	for {
		_, tok, _ := s.Scan()
		if tok == token.GO || tok == token.EOF {
			return tok == token.GO
		}
	}
}

// codeLines counts the lines that hold more than comments and space.
func codeLines(data []byte) int {
	set := token.NewFileSet()
	file := set.AddFile("", set.Base(), len(data))
	var s scanner.Scanner
	s.Init(file, data, nil, 0)
	lines := map[int]bool{}
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		if tok == token.SEMICOLON && text == "\n" {
			continue
		}
		for i := range strings.Count(text, "\n") + 1 {
			lines[file.Line(pos)+i] = true
		}
	}
}

func rowOf(pkg string) (row int, ok bool) {
	for i, names := range rows {
		if slices.Contains(names, pkg) {
			return i, true
		}
	}
	return 0, false
}

func isGuest(pkg string) bool {
	_, hasRow := rowOf(pkg)
	return !hasRow && slices.ContainsFunc(guests, func(prefix string) bool { return strings.HasPrefix(pkg+"/", prefix) })
}

func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && !strings.HasPrefix(imported, module)
}

// under tells whether an import path is name or lies below it.
func under(imported, name string) bool {
	return imported == name || strings.HasPrefix(imported, name+"/")
}

// TestImportLaw: imports go down by rows, so that a package can be understood
// with what is above it in the table, and a library has one place.
func TestImportLaw(t *testing.T) {
	for pkg, s := range sources(t) {
		row, ok := rowOf(pkg)
		if !ok && !isGuest(pkg) {
			t.Errorf("%s is in no row of the import law: give it one", pkg)
			continue
		}
		internal := 0
		for imported, files := range s.imports {
			own, isOwn := strings.CutPrefix(imported, module)
			if isOwn {
				internal++
			}
			switch {
			case slices.Contains(guestsMay, pkg):
				if !isStandard(imported) {
					t.Errorf("%s goes into projects of applications, which have no libraries, and imports %s (%v)", pkg, imported, files)
				}
			case isGuest(pkg):
				if !isStandard(imported) && !isGuest(own) && !slices.Contains(carried, own) {
					t.Errorf("%s is part of applications and imports %s (%v)", pkg, imported, files)
				}
			case isOwn && isGuest(own) && slices.Contains(ofGuests[pkg], own):
			case isOwn && isGuest(own):
				t.Errorf("%s imports %s, which is for applications (%v)", pkg, imported, files)
			case isOwn:
				if target, known := rowOf(own); known && target >= row {
					t.Errorf("%s (row %d) imports %s (row %d): imports go down only (%v)", pkg, row, own, target, files)
				}
			case imported == "C":
				t.Errorf("%s uses cgo, which cannot be cross-compiled (%v)", pkg, files)
			}
			if slices.Contains(carried, pkg) && !isStandard(imported) {
				t.Errorf("%s is carried into applications and imports %s (%v)", pkg, imported, files)
			}
			if slices.Contains(pure, pkg) && slices.ContainsFunc(impure, func(name string) bool { return under(imported, name) }) {
				t.Errorf("%s is pure and imports %s (%v)", pkg, imported, files)
			}
		}
		if internal > maxImports {
			t.Errorf("%s imports %d packages of ours, more than %d: split it by noun", pkg, internal, maxImports)
		}
	}
}

// TestLibraryOwners: a library that shapes everything it touches stays in one
// package, so that it can be replaced there.
func TestLibraryOwners(t *testing.T) {
	for pkg, s := range sources(t) {
		for _, imports := range []map[string][]string{s.imports, s.testImports} {
			for imported, files := range imports {
				for library, owner := range owners {
					if under(imported, library) && !under(pkg, owner) {
						t.Errorf("%s imports %s, which only %s may (%v)", pkg, imported, owner, files)
					}
				}
			}
		}
	}
}

// TestHelpersOfTests: what is there for tests alone is in no binary.
func TestHelpersOfTests(t *testing.T) {
	isHelper := func(pkg string) bool {
		return strings.HasPrefix(pkg, module) && (strings.HasSuffix(pkg, "test") || pkg == module+"netkit/netsim")
	}
	for pkg, s := range sources(t) {
		for imported, files := range s.imports {
			if isHelper(imported) && !isHelper(module+pkg) {
				t.Errorf("%s imports %s, which is for tests (%v)", pkg, imported, files)
			}
		}
	}
}

// TestPackages: each package says in one place what it promises, and is small
// enough to be read.
func TestPackages(t *testing.T) {
	for pkg, s := range sources(t) {
		if s.lines == 0 {
			continue // nothing but tests
		}
		if len(s.docs) != 1 {
			t.Errorf("%s has a package comment in %d files, want 1 %v", pkg, len(s.docs), s.docs)
		}
		if s.spawns && slices.Contains(pure, pkg) {
			t.Errorf("%s is pure and starts goroutines", pkg)
		}
		if s.lines > maxLines {
			t.Errorf("%s has %d lines of code, more than %d: split it by noun", pkg, s.lines, maxLines)
		}
	}
}

// TestTopLevel: what a user sees first stays short.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		isIgnored := slices.ContainsFunc(strings.Fields(string(ignored)), func(pattern string) bool {
			ok, err := path.Match(strings.TrimPrefix(pattern, "/"), name)
			return err == nil && ok
		})
		if !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) && !isIgnored {
			t.Errorf("%s does not belong at the top of the repository", name)
		}
	}
}
