package appdev

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mero/node/appgen"
	"mero/node/manifest"
)

// recordFile is what a project remembers of its last build, in sdkDir.
const recordFile = "build.json"

// maxSource bounds one source file.
const maxSource = 16 << 20

// Config says what to build.
type Config struct {
	Dir string // of the application's package
	// Environ is the environment in which Go is looked for and run.
	Environ []string
	// Note gets a line for people about what was done besides.
	Note func(line string)
}

// Result is a binary.
type Result struct {
	File string `json:"file"`
	Size int64  `json:"size"`
	// Fresh: nothing had changed, so nothing was compiled.
	Fresh bool `json:"-"`
}

// record is what recordFile has.
type record struct {
	Inputs string `json:"inputs"` // hash of all that goes into the binary
	Output string `json:"output"` // hash of the binary
}

// Build compiles an application to DIR/NAME.wasm, with its description in it. The
// errors are a *ToolchainError, an *appgen.Error, a *CompileError, and those of
// files.
func Build(ctx context.Context, cfg Config) (*Result, error) {
	b, err := open(cfg)
	if err != nil {
		return nil, err
	}
	if b.ownSDK {
		changed, err := writeSDK(b.dir)
		if err != nil {
			return nil, err
		}
		if changed {
			cfg.Note("the SDK in " + filepath.Join(cfg.Dir, sdkDir) + " was brought up to date with this mero")
		}
	}
	app, err := appgen.Generate(b.name, b.sources)
	if err != nil {
		return nil, err
	}
	tool, err := findToolchain(ctx, cfg.Environ)
	if err != nil {
		return nil, err
	}
	if err := b.writeGenerated(app.Source); err != nil {
		return nil, err
	}
	result := &Result{File: filepath.Join(cfg.Dir, b.name+".wasm")}
	inputs, err := b.hash(tool, app)
	if err != nil {
		return nil, err
	}
	if result.Size = b.upToDate(inputs); result.Size > 0 {
		result.Fresh = true
		return result, nil
	}
	code, err := b.compile(ctx, tool)
	if err != nil {
		return nil, err
	}
	if code, err = manifest.Embed(code, app.Description); err != nil {
		return nil, fmt.Errorf("put the description into the binary: %w", err)
	}
	if err := replace(filepath.Join(b.dir, b.name+".wasm"), code); err != nil {
		return nil, fmt.Errorf("write the binary: %w", err)
	}
	result.Size = int64(len(code))
	return result, b.remember(inputs, code)
}

// build is one build.
type build struct {
	dir     string // absolute
	name    string
	sources map[string][]byte // Go files in dir
	module  []byte            // go.mod in dir, if there is one
	ownSDK  bool              // the SDK lies in dir
	pinned  bool              // all that is compiled lies in dir, or is named by its hash
}

// What of a go.mod is looked at: Go itself reads the rest.
var (
	moduleLine = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)"?`)
	sdkLine    = regexp.MustCompile(`(?m)^(?:replace)?\s*mero\s*=>\s*"?\./\.mero/?"?\s*$`)
	localLine  = regexp.MustCompile(`(?m)=>\s*"?(?:\.|/|[A-Za-z]:)`)
)

func open(cfg Config) (*build, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the project: %w", err)
	}
	b := &build{dir: dir, name: filepath.Base(dir), sources: map[string][]byte{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the project: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || e.IsDir() {
			continue
		}
		if b.sources[e.Name()], err = readSource(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	b.module, err = os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the project: %w", err)
	}
	if match := moduleLine.FindSubmatch(b.module); match != nil {
		b.name = filepath.Base(string(match[1]))
	}
	b.ownSDK = sdkLine.Match(b.module)
	b.pinned = b.ownSDK && len(localLine.FindAll(b.module, -1)) == 1
	return b, nil
}

func readSource(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxSource {
		err = fmt.Errorf("%s has more than %d bytes", file, maxSource)
	}
	if err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	return data, nil
}

// writeGenerated writes the generated file, unless it is as it should be.
func (b *build) writeGenerated(source []byte) error {
	if bytes.Equal(b.sources[appgen.File], source) {
		return nil
	}
	if err := replace(filepath.Join(b.dir, appgen.File), source); err != nil {
		return fmt.Errorf("write the generated code: %w", err)
	}
	return nil
}

// compile runs the toolchain and gives the binary.
func (b *build) compile(ctx context.Context, tool *toolchain) ([]byte, error) {
	work, err := os.MkdirTemp("", "mero-app-")
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a directory left in the temporary one harms nobody
	var flags []string
	if b.module != nil {
		flags = []string{"-mod=mod"}
	}
	file := filepath.Join(work, "app.wasm")
	if err := tool.compile(ctx, b.dir, file, flags...); err != nil {
		return nil, err
	}
	code, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return code, nil
}

// hash is over all that decides what the binary is; "": that cannot be told.
func (b *build) hash(tool *toolchain, app *appgen.App) (string, error) {
	if !b.pinned {
		return "", nil
	}
	h := sha256.New()
	add := func(name string, data []byte) {
		_, _ = fmt.Fprintf(h, "%d %s %d ", len(name), name, len(data)) // a hash takes all
		h.Write(data)
	}
	add("go", []byte(tool.version))
	add("generated", app.Source)
	add("description", app.Description)
	err := filepath.WalkDir(b.dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(b.dir, file)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." && name != sdkDir:
			return fs.SkipDir
		case d.IsDir(), !d.Type().IsRegular(), isMade(name), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		data, err := readSource(file)
		add(name, data)
		return err
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// isMade tells what a build makes.
func isMade(name string) bool {
	return name == appgen.File || name == filepath.Join(sdkDir, recordFile) || strings.HasSuffix(name, ".wasm")
}

// upToDate is the size of the binary, if it is what the inputs make, else 0.
func (b *build) upToDate(inputs string) int64 {
	var had record
	data, err := os.ReadFile(filepath.Join(b.dir, sdkDir, recordFile))
	if err != nil || inputs == "" || json.Unmarshal(data, &had) != nil || had.Inputs != inputs {
		return 0
	}
	code, err := os.ReadFile(filepath.Join(b.dir, b.name+".wasm"))
	if err != nil || had.Output != digest(code) {
		return 0
	}
	return int64(len(code))
}

func (b *build) remember(inputs string, code []byte) error {
	if inputs == "" {
		return nil
	}
	data, err := json.Marshal(record{inputs, digest(code)})
	if err == nil {
		err = replace(filepath.Join(b.dir, sdkDir, recordFile), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("remember the build: %w", err)
	}
	return nil
}

func digest(code []byte) string {
	sum := sha256.Sum256(code)
	return hex.EncodeToString(sum[:])
}
