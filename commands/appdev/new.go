package appdev

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// template is the application that a project begins with; .txt, since it is not
// part of this program.
//
//go:embed template
var template embed.FS

// Project is a project that was made.
type Project struct {
	Dir   string   `json:"dir"`
	Name  string   `json:"name"`
	Files []string `json:"files"` // without those of the SDK
}

// ErrTaken is why New writes nothing.
var ErrTaken = errors.New("it is there already")

// ErrName is a folder whose name cannot be that of a Go module.
var ErrName = errors.New("an application is named after its folder")

// New makes a project in a folder, which may be there. It writes over no file.
func New(dir string) (*Project, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("make a project: %w", err)
	}
	name := filepath.Base(abs)
	if err := moduleName(name); err != nil {
		return nil, err
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s: %w, and it is no folder", dir, ErrTaken)
	}
	files := map[string][]byte{
		"go.mod":     []byte("module " + name + "\n\ngo " + goVersion + "\n\nrequire mero v0.0.0\n\nreplace mero => ./" + sdkDir + "\n"),
		".gitignore": []byte("# what `mero app build` makes\n*.wasm\nmero_generated.go\n" + sdkDir + "/" + recordFile + "\n"),
	}
	for _, file := range []string{"notes.go", "notes_test.go"} {
		data, err := template.ReadFile("template/" + file + ".txt")
		if err != nil {
			return nil, fmt.Errorf("make a project: %w", err)
		}
		files[file] = data
	}
	for _, file := range append(names(files), sdkDir) {
		if _, err := os.Lstat(filepath.Join(abs, file)); err == nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, file), ErrTaken)
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("make a project: %w", err)
		}
	}
	if err := os.MkdirAll(abs, 0o755); err != nil { //nolint:gosec // source code, readable by all
		return nil, fmt.Errorf("make a project: %w", err)
	}
	if _, err := writeSDK(abs); err != nil {
		return nil, err
	}
	for _, file := range names(files) {
		if err := create(filepath.Join(abs, file), files[file]); err != nil {
			return nil, fmt.Errorf("make a project: %w", err)
		}
	}
	return &Project{Dir: dir, Name: name, Files: names(files)}, nil
}

// create writes a file that is not there.
func create(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // source code, readable by all
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func moduleName(name string) error {
	bad := len(name) > 64
	for i, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		bad = bad || !letter && (i == 0 || !strings.ContainsRune("0123456789-_", rune(c)))
	}
	if bad {
		return fmt.Errorf("%w, which wants letters, digits, - and _, a letter first, 64 at most: %s", ErrName, name)
	}
	switch strings.ToLower(name) {
	case "mero", "main", "std", "cmd", "all":
		return fmt.Errorf("%w, and %s means something else to Go", ErrName, name)
	}
	return nil
}
