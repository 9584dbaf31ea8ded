package sdk_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"mero/node/sdk"
)

// folders are those of this one that applications are built from; what is left are
// examples, and what only they use.
var folders = []string{"codec", "env", "guest", "internal", "jsonany", "names", "sdktest"}

// TestSources: the program carries all that applications are built from, and no tests.
func TestSources(t *testing.T) {
	want, got := goFiles(t, os.DirFS(".")), goFiles(t, sdk.Sources())
	want = slices.DeleteFunc(want, func(name string) bool {
		folder, _, below := strings.Cut(name, "/")
		return name == "sources.go" || strings.HasSuffix(name, "_test.go") || below && !slices.Contains(folders, folder)
	})
	if !slices.Equal(got, want) {
		t.Errorf("sources.go embeds\n%v, want\n%v", got, want)
	}
	if _, err := fs.Stat(sdk.Sources(), "INTERFACE.md"); err != nil {
		t.Error(err)
	}
}

func goFiles(t *testing.T, files fs.FS) (names []string) {
	t.Helper()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".go") {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
