package appgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mero/node/manifest"
)

// File is the name of the file that is generated.
const File = "mero_generated.go"

// sdkPath is the import path by which an application uses the SDK.
const sdkPath = "mero/node/sdk"

// maxProblems bounds how many mistakes are reported at once.
const maxProblems = 20

// App is what is made of an application's source.
type App struct {
	Source      []byte             // of File
	Manifest    *manifest.Manifest // the description
	Description []byte             // the same as JSON
}

// Problem is a mistake in the source.
type Problem struct {
	Pos  token.Position
	Text string
}

func (p Problem) String() string {
	if !p.Pos.IsValid() {
		return p.Text
	}
	return p.Pos.String() + ": " + p.Text
}

// Error is all that is wrong with a source, at most 20 mistakes, in the order of
// files and lines.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Generate reads the files of one folder, by name, and makes the application's
// other half. Tests, the generated file itself and files that are not for
// WebAssembly are passed over. Errors are an *Error, or the parser's own for what
// is not Go.
func Generate(name string, files map[string][]byte) (*App, error) {
	g := &generator{
		fset: token.NewFileSet(), types: map[string]*declared{}, imports: map[string]string{},
		named: map[string]*typ{},
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || file == File {
			continue
		}
		parsed, err := parser.ParseFile(g.fset, file, files[file], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if forWasm(parsed) {
			g.files = append(g.files, parsed)
		}
	}
	g.collect()
	if len(g.problems) == 0 {
		g.read(name)
	}
	if len(g.problems) > 0 {
		return nil, g.err()
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // people read list<T>
	if err := e.Encode(&g.manifest); err != nil {
		return nil, err
	}
	description := bytes.TrimSpace(text.Bytes())
	if _, err := manifest.Parse(description); err != nil {
		return nil, err
	}
	source, err := g.source()
	if err != nil {
		return nil, err
	}
	return &App{Source: source, Manifest: &g.manifest, Description: description}, nil
}

// forWasm tells whether a file is compiled into a guest.
func forWasm(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() > f.Package || !constraint.IsGoBuild(c.Text) {
				continue
			}
			expr, err := constraint.Parse(c.Text)
			if err != nil {
				continue // the compiler says so
			}
			return expr.Eval(func(tag string) bool {
				return tag == "wasip1" || tag == "wasm" || tag == "gc" || strings.HasPrefix(tag, "go1.")
			})
		}
	}
	return true
}

// generator works on one application.
type generator struct {
	fset     *token.FileSet
	files    []*ast.File
	types    map[string]*declared
	methods  []*method
	calls    []*call
	hasMain  bool
	state    *declared
	manifest manifest.Manifest
	problems []Problem

	named   map[string]*typ   // types of the application that have functions, by name
	order   []string          // of them
	bound   []*declared       // structs of collections that have functions
	imports map[string]string // of types that are mentioned: name → path
}

// declared is a type of the application.
type declared struct {
	name    string
	spec    *ast.TypeSpec
	file    *ast.File
	doc     *ast.CommentGroup
	methods map[string]bool
	isState bool
	fields  []*field // of a struct of collections; nil: it is none
	used    bool     // by another struct of collections
}

// method is an exported method of a type.
type method struct {
	on   string
	decl *ast.FuncDecl
	file *ast.File
}

func (g *generator) report(pos token.Pos, format string, args ...any) {
	g.problems = append(g.problems, Problem{g.fset.Position(pos), fmt.Sprintf(format, args...)})
}

func (g *generator) err() error {
	slices.SortStableFunc(g.problems, func(a, b Problem) int {
		if c := strings.Compare(a.Pos.Filename, b.Pos.Filename); c != 0 {
			return c
		}
		return a.Pos.Offset - b.Pos.Offset
	})
	return &Error{slices.Compact(g.problems)[:min(len(slices.Compact(g.problems)), maxProblems)]}
}

// collect gathers types, methods and directives.
func (g *generator) collect() {
	if len(g.files) == 0 {
		g.report(token.NoPos, "there are no Go files of an application here; mero app new makes one")
		return
	}
	for _, f := range g.files {
		if f.Name.Name != "main" {
			g.report(f.Name.Pos(), "an application is a package main, not %s", f.Name.Name)
		}
		g.checkImports(f)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				g.collectTypes(f, d)
			case *ast.FuncDecl:
				g.hasMain = g.hasMain || d.Recv == nil && d.Name.Name == "main"
				if on := receiver(d); on != "" {
					g.methods = append(g.methods, &method{on, d, f})
				}
			}
		}
	}
	for _, m := range g.methods {
		if t := g.types[m.on]; t != nil {
			t.methods[m.decl.Name.Name] = true
		}
	}
}

// checkImports refuses what compiles and does not do what it seems to.
func (g *generator) checkImports(f *ast.File) {
	for _, spec := range f.Imports {
		switch path, _ := strconv.Unquote(spec.Path.Value); path { // the parser has unquoted it before
		case "math/rand", "math/rand/v2":
			g.report(spec.Pos(), "%s gives the same numbers in every call, since each begins with the memory of the same image: use sdk.Random or crypto/rand", path)
		}
	}
}

func (g *generator) collectTypes(f *ast.File, d *ast.GenDecl) {
	if d.Tok != token.TYPE {
		return
	}
	for _, spec := range d.Specs {
		spec, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		doc := spec.Doc
		if doc == nil && len(d.Specs) == 1 {
			doc = d.Doc
		}
		t := &declared{name: spec.Name.Name, spec: spec, file: f, doc: doc, methods: map[string]bool{}}
		for _, word := range g.directives(doc) {
			if word == "state" {
				t.isState = true
			} else {
				g.report(spec.Pos(), "there is no directive //mero:%s for a type, only //mero:state", word)
			}
		}
		g.types[t.name] = t
	}
}

// receiver is the name of the type that a method is of.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) != 1 {
		return ""
	}
	expr := d.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if id, ok := expr.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// directives are the words behind //mero: of a comment.
func (g *generator) directives(doc *ast.CommentGroup) []string {
	var words []string
	if doc != nil {
		for _, c := range doc.List {
			if word, ok := strings.CutPrefix(c.Text, "//mero:"); ok {
				words = append(words, strings.TrimSpace(word))
			}
		}
	}
	return words
}

// docText is a comment for people, without directives.
func docText(doc *ast.CommentGroup) string {
	const most = 2000
	text := strings.TrimSpace(doc.Text())
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// read makes the model: state, methods, types.
func (g *generator) read(name string) {
	g.manifest = manifest.Manifest{ABI: manifest.ABI, Name: name, Types: map[string]*manifest.Type{}}
	g.findState()
	if g.state == nil {
		return
	}
	if g.manifest.Doc = docText(g.files[0].Doc); g.manifest.Doc == "" {
		for _, f := range g.files {
			if f.Doc != nil {
				g.manifest.Doc = docText(f.Doc)
			}
		}
	}
	g.manifest.State = g.describeFields(g.state, 1)
	g.bind(g.state)
	g.readMethods()
}

// findState finds the application's state struct.
func (g *generator) findState() {
	var marked, candidates []*declared
	for _, name := range slices.Sorted(maps.Keys(g.types)) {
		t := g.types[name]
		if t.isState {
			marked = append(marked, t)
		}
		g.readFields(t)
	}
	for _, t := range g.types {
		if t.fields != nil && !t.used {
			candidates = append(candidates, t)
		}
	}
	slices.SortFunc(candidates, func(a, b *declared) int { return strings.Compare(a.name, b.name) })
	switch {
	case len(marked) == 1:
		g.state = marked[0]
		if g.state.fields == nil {
			g.report(g.state.spec.Pos(), "%s is marked as the state and has no collections of package sdk", g.state.name)
		}
	case len(marked) > 1:
		g.report(marked[1].spec.Pos(), "two types are marked as the state: %s and %s", marked[0].name, marked[1].name)
	case len(candidates) == 1:
		g.state = candidates[0]
	case len(candidates) == 0:
		g.report(token.NoPos, "there is no state: declare a struct with collections of %s as its fields, such as sdk.Map", strconv.Quote(sdkPath))
	default:
		g.report(candidates[1].spec.Pos(), "%s and %s both could be the state: mark it with //mero:state", candidates[0].name, candidates[1].name)
	}
	if len(g.problems) > 0 {
		g.state = nil
	}
}

// isSDK tells whether an expression is a name of package sdk, and which; args are
// its type arguments.
func (g *generator) isSDK(f *ast.File, expr ast.Expr) (name string, args []ast.Expr) {
	switch e := expr.(type) {
	case *ast.IndexExpr:
		expr, args = e.X, []ast.Expr{e.Index}
	case *ast.IndexListExpr:
		expr, args = e.X, e.Indices
	}
	sel, ok := expr.(*ast.SelectorExpr)
	if !ok || g.pathOf(f, sel) != sdkPath {
		return "", nil
	}
	return sel.Sel.Name, args
}

// pathOf is the import path of the package in a qualified name.
func (g *generator) pathOf(f *ast.File, sel *ast.SelectorExpr) string {
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == id.Name {
			return path
		}
	}
	return ""
}

var errConflict = errors.New("one name for two packages")

// mention notes that generated code writes names of a file's imports.
func (g *generator) mention(f *ast.File, expr ast.Expr) {
	ast.Inspect(expr, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		if path := g.pathOf(f, sel); ok && path != "" {
			if had := g.imports[id.Name]; had != "" && had != path {
				g.report(sel.Pos(), "%v: %s is %s here and %s elsewhere; name one of the imports", errConflict, id.Name, path, had)
			}
			g.imports[id.Name] = path
		}
		return false
	})
}
