package appdev

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mero/node/collections"
	"mero/node/sdk"
)

// sdkDir is where a project has the SDK.
const sdkDir = ".mero"

// goVersion is the version of Go that the SDK is written for.
const goVersion = "1.26"

// sdkFiles are the files of the SDK as a project has them, below sdkDir: a module
// by the name of ours that has no more than applications need.
func sdkFiles() (map[string][]byte, error) {
	files := map[string][]byte{
		"go.mod":    []byte("module mero\n\ngo " + goVersion + "\n"),
		"README.md": []byte("The SDK's source, as the installed `mero` has it. `mero app build` keeps it up to date: do not change it here.\n"),
	}
	for dir, source := range map[string]fs.FS{"node/sdk": sdk.Sources(), "node/collections": collections.Sources()} {
		err := fs.WalkDir(source, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !carried(name) {
				return err
			}
			data, err := fs.ReadFile(source, name)
			files[path.Join(dir, name)] = data
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the SDK's source in this program: %w", err)
		}
	}
	return files, nil
}

// carried tells whether a file of ours goes into projects: not our tests, and not
// what embeds the others.
func carried(name string) bool {
	base := path.Base(name)
	return base != "sources.go" && !strings.HasSuffix(base, "_test.go") && !strings.Contains(name, "testdata/") &&
		(strings.HasSuffix(base, ".go") || strings.HasSuffix(base, ".md"))
}

// writeSDK makes the SDK of a project what this program has; changed: it was not.
func writeSDK(project string) (changed bool, err error) {
	files, err := sdkFiles()
	if err != nil {
		return false, err
	}
	root := filepath.Join(project, sdkDir)
	for name, data := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		had, err := os.ReadFile(file)
		if err == nil && bytes.Equal(had, data) {
			continue
		}
		changed = true
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // source code, readable by all
			return changed, fmt.Errorf("write the SDK: %w", err)
		}
		if err := replace(file, data); err != nil {
			return changed, fmt.Errorf("write the SDK: %w", err)
		}
	}
	// What an older SDK had would still be compiled.
	var stale []string
	err = filepath.WalkDir(filepath.Join(root, "node"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err == nil && files[filepath.ToSlash(name)] == nil {
			stale = append(stale, file)
		}
		return err
	})
	for _, file := range stale {
		changed = true
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return changed, fmt.Errorf("remove what the SDK no longer has: %w", err)
	}
	return changed, nil
}

// replace writes a file as a whole.
func replace(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// names are the keys of files, ascending.
func names(files map[string][]byte) []string {
	list := make([]string, 0, len(files))
	for name := range files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
