package commands_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mero/commands"
	"mero/commands/line"
)

// mero runs a command line in this process.
func mero(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = commands.Main(append([]string{"mero"}, args...), strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// TestVerbs walks all verbs: each can be found, is described, has an example
// that the parser takes, and no flag with the name of a global one.
func TestVerbs(t *testing.T) {
	globals := make(map[string]bool)
	for _, f := range commands.GlobalFlags() {
		for _, name := range f.Names() {
			globals[name] = true
		}
	}
	for _, name := range []string{"help", "h", "version", "v"} {
		globals[name] = true
	}
	for _, v := range commands.Verbs() {
		t.Run(v.Path(), func(t *testing.T) {
			if len(v.Summary) < 10 || len(v.Summary) > 80 || strings.HasSuffix(v.Summary, ".") || strings.Contains(v.Summary, "\n") {
				t.Errorf("the summary is not one line: %q", v.Summary)
			}
			for line := range strings.Lines(v.Long) {
				if len(line) > 91 {
					t.Errorf("long text is too wide: %q", line)
				}
			}
			words := strings.Fields(v.Example)
			if len(words) < 2 || words[0] != "mero" || !strings.HasPrefix(v.Example, "mero "+v.Path()) {
				t.Fatalf("the example is not of this verb: %q", v.Example)
			}
			if _, err := commands.Sort(splitShell(v.Example)[1:]...); err != nil {
				t.Errorf("the example does not parse: %v", err)
			}
			seen := make(map[string]bool)
			for _, f := range v.Flags {
				for _, name := range f.Names() {
					if globals[name] || seen[name] {
						t.Errorf("flag %s has the name of another", name)
					}
					seen[name] = true
				}
			}
			out, _, code := mero(t, append(strings.Fields(v.Path()), "--help")...)
			if code != 0 {
				t.Fatalf("--help ends with %d", code)
			}
			for _, part := range []string{v.Summary, v.Usage(), v.Example, v.Long} {
				if !strings.Contains(out, part) {
					t.Errorf("--help does not say %q", part)
				}
			}
			for _, f := range v.Flags {
				if !strings.Contains(out, "--"+f.Names()[0]) {
					t.Errorf("--help does not say --%s", f.Names()[0])
				}
			}
		})
	}
}

// splitShell splits at spaces outside of single quotes, which is all that
// examples use.
func splitShell(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// TestFlagsInEveryPlace puts each flag, the verb's own and the global ones,
// wherever it may stand; cli/v2 must be given the same.
func TestFlagsInEveryPlace(t *testing.T) {
	for _, v := range commands.Verbs() {
		path := strings.Fields(v.Path())
		args := []string{"one", "two"}
		for _, own := range []bool{true, false} {
			flags := v.Flags
			if !own {
				flags = commands.GlobalFlags()
			}
			for _, f := range flags {
				for _, name := range f.Names() {
					dash := "--" + name
					if len(name) == 1 {
						dash = "-" + name
					}
					forms := [][]string{{dash}}
					value := "true"
					if line.TakesValue(f) {
						value = "x=y"
						forms = [][]string{{dash, value}, {dash + "=" + value}}
					}
					flag := "--" + f.Names()[0] + "=" + value
					want := slices.Concat([]string{"mero"}, path, []string{flag, "--"}, args)
					if !own {
						want = slices.Concat([]string{"mero", flag}, path, []string{"--"}, args)
					}
					for _, form := range forms {
						places := [][]string{
							slices.Concat(path, form, args),
							slices.Concat(path, args[:1], form, args[1:]),
							slices.Concat(path, args, form),
						}
						if !own {
							places = append(places, slices.Concat(form, path, args), slices.Concat(path[:1], form, path[1:], args))
						}
						for _, place := range places {
							got, err := commands.Sort(place...)
							if err != nil {
								t.Fatalf("%q: %v", place, err)
							}
							if diff := cmp.Diff(want, got); diff != "" {
								t.Fatalf("%q (-want +got)\n%s", place, diff)
							}
						}
					}
				}
			}
		}
	}
}

func TestSort(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"after -- all are arguments", []string{"app", "get", "--", "--short", "-n"}, []string{"app", "get", "--", "--short", "-n"}},
		{"a lone - is an argument", []string{"app", "get", "-"}, []string{"app", "get", "--", "-"}},
		{"values that look like flags", []string{"call", "get", "--args", "-5", "--context", "c"}, []string{"call", "--args=-5", "--context=c", "--", "get"}},
		{"the last one wins in cli/v2, both are there", []string{"-n", "a", "version", "-n", "b"}, []string{"--node=a", "--node=b", "version", "--"}},
		{"one dash will do", []string{"call", "get", "-context", "c"}, []string{"call", "--context=c", "--", "get"}},
		{"an empty value", []string{"call", "get", "--args="}, []string{"call", "--args=", "--", "get"}},
		{"an argument named like a flag or verb", []string{"call", "call", "output"}, []string{"call", "--", "call", "output"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := commands.Sort(tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{"mero"}, tt.want...), got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestRepeatedFlags holds that slice flags are not split at commas.
func TestRepeatedFlags(t *testing.T) {
	t.Setenv("MERO_HOME", t.TempDir())
	_, stderr, code := mero(t, "admin", "token", "--scope", "context[a,b,c]", "--scope", "bad:", "--output", "json")
	if code != 2 || !strings.Contains(stderr, "bad:") || strings.Contains(stderr, `"context[a"`) {
		t.Fatalf("code %d, stderr %s", code, stderr)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"-h"}, {"node", "--help"}, {"help", "node"}, {"node", "status", "-h"}} {
		out, errs, code := mero(t, args...)
		if code != 0 || errs != "" || !strings.Contains(out, "node") {
			t.Errorf("%q: code %d, stdout %q, stderr %q", args, code, out, errs)
		}
	}
	out, _, _ := mero(t, "--help")
	for _, v := range commands.Verbs() {
		for word := range strings.FieldsSeq(v.Path()) {
			if !strings.Contains(out, word) {
				t.Errorf("mero --help does not name %s", v.Path())
			}
		}
	}
}

func TestComplete(t *testing.T) {
	for _, tt := range []struct {
		words []string
		want  []string
	}{
		{[]string{"no"}, []string{"node"}},
		{[]string{"node", "st"}, []string{"status"}},
		{[]string{"node", "--home", "x", "st"}, []string{"status"}},
		{[]string{"node", "init", "--swarm-p"}, []string{"--swarm-port"}},
		{[]string{"node", "init", "--auth", ""}, []string{"none", "token"}},
		{[]string{"--output", "j"}, []string{"json"}},
		{[]string{"completion", "z"}, []string{"zsh"}},
		{[]string{"app", "install", "x"}, nil},
		{[]string{"app", "install", "--name", ""}, nil},
	} {
		out, _, code := mero(t, append([]string{"__complete"}, tt.words...)...)
		if diff := cmp.Diff(tt.want, strings.Fields(out), cmpopts.EquateEmpty()); diff != "" || code != 0 {
			t.Errorf("%q (-want +got)\n%s", tt.words, diff)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, _, code := mero(t, "completion", shell)
		if code != 0 || !strings.Contains(out, "mero __complete") {
			t.Errorf("%s: code %d, %q", shell, code, out)
		}
	}
}
