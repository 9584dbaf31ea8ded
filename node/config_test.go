package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mero/node"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := write(t, "[auth]\ntoken_ttl = \"2h\"\nmode = \"none\"\n[log]\nlevel = \"warn\"\n")
	eff, err := node.LoadConfig(node.Sources{
		File:    file,
		Environ: []string{"MERO_AUTH_TOKEN_TTL=7d", "MERO_LOG_LEVEL=debug", "MERO_LOG_FORMAT=", "MERO_NO_SUCH=1", "PATH=/bin"},
		Overrides: []node.Override{
			{Key: "log.level", Text: "error,store=trace", Source: node.Source{Kind: node.SourceFlag, Where: "--log-level"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Value any
		From  string
	}
	got := make(map[string]row)
	for _, key := range []string{"log.level", "auth.token_ttl", "auth.mode", "log.format"} {
		value, source, _ := eff.Value(key)
		got[key] = row{value, source.String()}
	}
	want := map[string]row{
		"log.level":      {"error,store=trace", "flag --log-level"},
		"auth.token_ttl": {7 * 24 * time.Hour, "environment MERO_AUTH_TOKEN_TTL"},
		"auth.mode":      {"none", "file " + file + ":3"},
		"log.format":     {"auto", "default"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	if eff.Config.Auth.TokenTTL != 7*24*time.Hour || eff.Config.Auth.Mode != "none" || eff.Config.Log.Level != "error,store=trace" {
		t.Fatalf("the struct differs from the table: %+v", eff.Config)
	}
}

func TestBadConfig(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		env        []string
		want       []string // parts of the message
		hint       string
	}{
		{"unknown key", "[log]\nlevle = \"info\"\n", nil, []string{"log.levle", "config.toml:2", "no such setting"}, "did you mean log.level?"},
		{"unknown section", "[lgo]\nlevel = \"info\"\n", nil, []string{"lgo.level", "no such setting"}, "did you mean log.level?"},
		{"key in the wrong section", "[blobs]\ntoken_ttl = \"1h\"\n", nil, []string{"blobs.token_ttl"}, "did you mean auth.token_ttl?"},
		{"wrong type", "[auth]\n\ntoken_ttl = 3600\n", nil, []string{"auth.token_ttl", "3600", "config.toml:3", "a duration such as"}, ""},
		{"wrong type, text for number", "[blobs]\nreserve = \"64\"\n", nil, []string{"blobs.reserve", `"64"`, "config.toml:2", "whole number"}, ""},
		{"negative", "[blobs]\nreserve = -1\n", nil, []string{"blobs.reserve", "-1", "not negative"}, ""},
		{"a table where a value belongs", "[log.level]\nx = 1\n", nil, []string{"log.level"}, ""},
		{"wrong value", "[log]\nlevel = \"loud\"\n", nil, []string{"log.level", `"loud"`, "config.toml:2", "wants trace, debug"}, ""},
		{"wrong value in a variable", "", []string{"MERO_AUTH_MODE=maybe"}, []string{"auth.mode", "maybe", "environment MERO_AUTH_MODE"}, ""},
		{"wrong type in a variable", "", []string{"MERO_AUTH_TOKEN_TTL=soon"}, []string{"auth.token_ttl", "soon", "environment MERO_AUTH_TOKEN_TTL", "duration"}, ""},
		{"not TOML", "[log\n", nil, []string{"config.toml:1", "not TOML"}, ""},
		{"twice", "[log]\nlevel = \"info\"\nlevel = \"warn\"\n", nil, []string{"config.toml", "not TOML", "level"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := node.LoadConfig(node.Sources{File: write(t, tt.file), Environ: tt.env})
			var bad *node.ConfigError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v, want a ConfigError", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(bad.Error(), part) {
					t.Errorf("%q does not say %q", bad, part)
				}
			}
			if bad.Hint() != tt.hint {
				t.Errorf("hint: got %q, want %q", bad.Hint(), tt.hint)
			}
		})
	}
}

func TestSetInFileKeepsTheRest(t *testing.T) {
	for _, tt := range []struct{ name, before, key, text, after string }{
		{
			"in place, with its comment", "# mine\n[log]\nlevel   =   \"info\"   # quiet\nformat = \"json\"\n", "log.level", "debug",
			"# mine\n[log]\nlevel   =   \"debug\"   # quiet\nformat = \"json\"\n",
		},
		{
			"below the commented default", "[auth]\n# how\n#mode = \"token\"\n\n# long\n#token_ttl = \"24h\"\n", "auth.mode", `"none"`,
			"[auth]\n# how\n#mode = \"token\"\nmode = \"none\"\n\n# long\n#token_ttl = \"24h\"\n",
		},
		{
			"a new section at the end", "[auth]\nmode = \"none\"", "log.level", "warn",
			"[auth]\nmode = \"none\"\n\n[log]\nlevel = \"warn\"\n",
		},
		{"an empty file", "", "log.level", "warn", "[log]\nlevel = \"warn\"\n"},
		{
			"below the header, before other sections", "[log]\n[auth]\nmode = \"none\"\n", "log.level", "warn",
			"[log]\nlevel = \"warn\"\n[auth]\nmode = \"none\"\n",
		},
		{"a dotted key", "log.level = 'info'\nauth.mode=\"none\"\n", "log.level", "off", "log.level = \"off\"\nauth.mode=\"none\"\n"},
		{
			"windows lines", "[log]\r\n#level = \"info\"\r\nformat = \"json\"\r\n", "log.level", "off",
			"[log]\r\n#level = \"info\"\r\nlevel = \"off\"\r\nformat = \"json\"\r\n",
		},
		{"a number", "[blobs]\nreserve = 1\n", "blobs.reserve", "67_108_864", "[blobs]\nreserve = 67108864\n"},
		{"a duration", "[auth]\n", "auth.token_ttl", "90m", "[auth]\ntoken_ttl = \"1h30m\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.before)
			if err := node.SetInFile(path, []node.Setting{{Key: tt.key, Text: tt.text}}); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.after, string(got)); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestSetInFileRefuses(t *testing.T) {
	const before = "[log]\nlevel = \"info\"\n"
	for _, tt := range []struct{ name, key, text, want string }{
		{"unknown key", "log.levl", "info", "no such setting"},
		{"wrong type", "blobs.reserve", "much", "whole number"},
		{"wrong value", "log.level", "loud", "wants trace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, before)
			err := node.SetInFile(path, []node.Setting{{Key: tt.key, Text: tt.text}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want it to say %q", err, tt.want)
			}
			if got, _ := os.ReadFile(path); string(got) != before {
				t.Fatalf("the file was changed: %q", got)
			}
		})
	}
}

// TestNewFile holds that a fresh file says every key, is the defaults, and that
// each commented default is what the program uses.
func TestNewFile(t *testing.T) {
	text, err := node.NewFile([]node.Setting{{Key: "log.level", Text: "warn"}})
	if err != nil {
		t.Fatal(err)
	}
	eff, err := node.LoadConfig(node.Sources{File: write(t, string(text))})
	if err != nil {
		t.Fatal(err)
	}
	want := node.DefaultConfig()
	want.Log.Level = "warn"
	if diff := cmp.Diff(want, eff.Config, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("a fresh file is not the defaults (-want +got)\n%s", diff)
	}
	var active strings.Builder
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		if line != "level = \"warn\"\n" {
			active.WriteString(line)
		}
	}
	eff, err = node.LoadConfig(node.Sources{File: write(t, active.String())})
	if err != nil {
		t.Fatalf("the commented defaults do not load: %v", err)
	}
	if diff := cmp.Diff(node.DefaultConfig(), eff.Config, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("a commented default is not the default (-want +got)\n%s", diff)
	}
	for _, key := range node.Keys() {
		if _, source, _ := eff.Value(key.Name); source.Kind != node.SourceFile {
			t.Errorf("%s is not in a fresh file", key.Name)
		}
		if len(key.Comment) < 20 {
			t.Errorf("%s has no comment worth the name: %q", key.Name, key.Comment)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "24h": 24 * time.Hour, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour,
	} {
		if got, err := node.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "7 d", "-7d", "7d-1h", "99999d", "soon", "7"} {
		if got, err := node.ParseDuration(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"--server-port", "--server-host", "--swarm-port", "--force"}
	for word, want := range map[string]string{
		"--sever-port": "--server-port", "--forse": "--force", "--swarmport": "--swarm-port", "--xyzzy": "", "": "",
	} {
		if got := node.Nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

// FuzzSetInFile holds that a file which loads keeps every other setting when one
// is set, and gets that one.
func FuzzSetInFile(f *testing.F) {
	for _, text := range []string{
		"", "[log]\nlevel = \"info\" # x\n", "log.level='warn'\nauth.mode = \"token\"", "[log]\n#level = \"x\"\n[auth]\ntoken_ttl=\"1h\"\n",
		"[network]\nlisten = [\n  # one\n  \"/ip4/127.0.0.1/tcp/1\",\n]\n", "[ log ]\r\nlevel = \"\"\"info\"\"\"\r\n", "log = {level = \"info\"}\n", "[\"log\"]\n\"level\" = \"warn\"\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, text)
		before, err := node.LoadConfig(node.Sources{File: path})
		if err != nil {
			t.Skip()
		}
		if err := node.SetInFile(path, []node.Setting{{Key: "log.level", Text: "error,store=debug"}}); err != nil {
			if after, _ := os.ReadFile(path); string(after) != text {
				t.Fatalf("refused (%v), and changed to %q", err, after)
			}
			return
		}
		after, err := node.LoadConfig(node.Sources{File: path})
		if err != nil {
			t.Fatal(err)
		}
		want := before.Config
		want.Log.Level = "error,store=debug"
		if diff := cmp.Diff(want, after.Config, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}
