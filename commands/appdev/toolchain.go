package appdev

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// ToolchainError is why there is no compiler.
type ToolchainError struct{ Text string }

func (e *ToolchainError) Error() string { return e.Text }

// Hint says what to do.
func (e *ToolchainError) Hint() string {
	return "install Go " + goVersion + " or later from https://go.dev/dl/ and put its bin folder on PATH"
}

// toolchain is a Go that can compile applications.
type toolchain struct {
	tool    string
	version string
	environ []string // of the commands that it runs
}

// findToolchain looks for go on PATH, in GOROOT, and where installers put it.
func findToolchain(ctx context.Context, environ []string) (*toolchain, error) {
	name := "go"
	if runtime.GOOS == "windows" {
		name = "go.exe"
	}
	places := filepath.SplitList(variable(environ, "PATH"))
	if root := variable(environ, "GOROOT"); root != "" {
		places = append(places, filepath.Join(root, "bin"))
	}
	usual := "/usr/local/go/bin"
	if runtime.GOOS == "windows" {
		usual = `C:\Program Files\Go\bin`
	}
	for _, dir := range append(places, usual) {
		tool := filepath.Join(dir, name)
		if info, err := os.Stat(tool); err != nil || info.IsDir() || !filepath.IsAbs(tool) {
			continue
		}
		return newToolchain(ctx, tool, environ)
	}
	return nil, &ToolchainError{"there is no Go toolchain here: no go on PATH, in GOROOT or in " + usual}
}

func newToolchain(ctx context.Context, tool string, environ []string) (*toolchain, error) {
	t := &toolchain{tool: tool, environ: slices.Clone(environ)}
	// Nothing is fetched, whatever the machine is set up for, and no other project
	// has a say.
	t.environ = append(t.environ, "GOOS=wasip1", "GOARCH=wasm", "GOWASM=", "GOEXPERIMENT=", "CGO_ENABLED=0",
		"GOWORK=off", "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=")
	cmd := exec.CommandContext(ctx, tool, "env", "GOVERSION")
	cmd.Env, cmd.Dir = t.environ, os.TempDir()
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &ToolchainError{fmt.Sprintf("%s does not work: %v%s", tool, err, stderr(err))}
	}
	t.version = strings.TrimSpace(string(out))
	if version.Compare(t.version, "go"+goVersion) < 0 {
		return nil, &ToolchainError{fmt.Sprintf("%s is %s, which is too old", tool, t.version)}
	}
	return t, nil
}

func stderr(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return ": " + strings.TrimSpace(string(exit.Stderr))
	}
	return ""
}

// variable is a variable of an environment; the last one counts.
func variable(environ []string, name string) string {
	for _, entry := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// CompileError is a source that the compiler refuses.
type CompileError struct {
	Output string // the compiler's words
}

func (e *CompileError) Error() string { return e.Output }

// compile compiles the package in a folder to a file.
func (t *toolchain) compile(ctx context.Context, dir, file string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-buildmode=c-shared"}, flags...)
	cmd := exec.CommandContext(ctx, t.tool, append(args, "-o", file, ".")...) //nolint:gosec // our own arguments
	cmd.Dir, cmd.Env = dir, append(slices.Clone(t.environ), "PWD="+dir)
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && len(out) > 0:
		return &CompileError{explained(strings.TrimRight(string(out), "\n"))}
	case err != nil:
		return fmt.Errorf("run %s: %w", t.tool, err)
	}
	return nil
}

// explained adds to the compiler's words what they leave open: why a package is not
// found that is elsewhere in the world.
func explained(words string) string {
	if strings.Contains(words, "GOPROXY=off") || strings.Contains(words, " is not in std") {
		words += "\nApplications have the standard library and mero/node/sdk; nothing else is fetched."
	}
	return words
}
