package collections_test

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mero/node/collections"
)

// TestSources: the program carries all of this package, and no tests.
func TestSources(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(files, func(name string) bool { return name == "sources.go" || strings.HasSuffix(name, "_test.go") })
	got, err := fs.Glob(collections.Sources(), "*")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("sources.go embeds\n%v, want\n%v", got, want)
	}
}
