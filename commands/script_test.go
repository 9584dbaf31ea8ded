package commands_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mero/commands"
	"mero/node"
	"mero/node/vm/apptest"
)

// TestMain makes this test binary the `mero` of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mero": func() { os.Exit(commands.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// repository is the top of this repository, seen from the directory of this test.
var repository, _ = filepath.Abs("..")

// patience bounds each wait of a script; a loaded machine is slow.
const patience = 60 * time.Second

// TestScripts runs testdata/script: the commands as a user types them, each in a
// process of its own, with nodes in the background. Ports are always free ones.
func TestScripts(t *testing.T) {
	cache := t.TempDir() // of compiled applications, for all scripts
	goCache := buildCache(t)
	board := apptest.BuildPackage(t, "mero/node/sdk/examples/board")
	board2 := append(bytes.Clone(board), 0, 3, 1, 'x', 1) // does the same
	failing, other := apptest.Errors(t), bytes.Replace(apptest.Minimal(), []byte("init"), []byte("open"), 1)
	dir, files := filepath.Join("testdata", "script"), []string(nil)
	if testing.Short() { // whole nodes that talk to each other, under the race detector
		for _, name := range []string{"quick_start", "share", "node_life"} {
			files = append(files, filepath.Join(dir, name+".txtar"))
		}
		dir = ""
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, Files: files,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars,
				"MERO_HOME="+filepath.Join(env.WorkDir, "home"),
				"MERO_SERVER_LISTEN=127.0.0.1:0",
				"MERO_NETWORK_LISTEN=/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/udp/0/quic-v1",
				"GOCACHE="+goCache,
			)
			// a and b are of one size.
			for name, code := range map[string][]byte{
				"errors": failing, "rawkv": apptest.RawKV(t), "a": apptest.Minimal(), "b": other, "board": board, "board2": board2,
			} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name+".wasm"), code, 0o600); err != nil {
					return err
				}
			}
			return shareCache(env.WorkDir, cache)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"waitfile": waitFile,
			"waitline": waitLine,
			"ready":    ready,
			"exits":    exits,
			"field":    field,
			"content":  content,
			"port":     port,
			"error":    jsonError,
			"silent":   silent,
			"edit":     edit,
			"twice":    twice,
			"readme":   readme,
			"guide":    guideScript,
			"damage":   damage(t),
		},
		RequireExplicitExec: true,
	})
}

// buildCache is where Go keeps what it has built: scripts have no HOME to find it in.
func buildCache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("GOCACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "go-build")
}

// shareCache gives the nodes default, n2 and n3 one cache of compiled applications,
// since compiling is most of what a script takes.
func shareCache(work, cache string) error {
	for _, node := range []string{"default", "n2", "n3"} {
		dir := filepath.Join(work, "home", node)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Symlink(cache, filepath.Join(dir, "cache")); err != nil {
			return err
		}
	}
	return nil
}

// waitFile waits until a file is there: `waitfile FILE`; `! waitfile` until it
// is gone.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: waitfile FILE")
	}
	path := ts.MkAbs(args[0])
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) == neg {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s: not as wanted after %s", args[0], patience)
		}
	}
}

// waitLine waits until a file has lines, one unless told: `waitline FILE [N]`.
func waitLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitline FILE [N]")
	}
	lines := 1
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		lines = n
	}
	path := ts.MkAbs(args[0])
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if text, err := os.ReadFile(path); err == nil && bytes.Count(text, []byte("\n")) >= lines {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s: not %d lines after %s", args[0], lines, patience)
		}
	}
}

// ready waits until a node answers: `ready NAME`. What a killed node left does
// not count.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready NAME")
	}
	home, err := node.HomeAt(ts.Getenv("MERO_HOME"), args[0])
	ts.Check(err)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for len(home.APIAddrs()) == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("node %s is not ready after %s", args[0], patience)
		}
	}
}

// exits runs a command and looks at its exit code: `exits 2 mero node init --x`.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// field takes a field out of the JSON object on the last line of what the last
// command printed: `field ID contextId`.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: field VAR NAME")
	}
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	text = text[strings.LastIndexByte(text, '\n')+1:]
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		ts.Fatalf("%q is no JSON object: %v", text, err)
	}
	value, ok := doc[args[1]]
	if !ok {
		ts.Fatalf("no field %s in %s", args[1], text)
	}
	if s, ok := value.(string); ok {
		ts.Setenv(args[0], s)
		return
	}
	out, err := json.Marshal(value)
	ts.Check(err)
	ts.Setenv(args[0], string(out))
}

// content puts a file's text, or stdout, into a variable: `content PID home/lock`.
func content(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: content VAR FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// port takes the port out of the first address of a file: `port VAR FILE`.
func port(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: port VAR FILE")
	}
	first, _, _ := strings.Cut(ts.ReadFile(args[1]), "\n")
	if u, err := url.Parse(first); err == nil && u.Port() != "" {
		ts.Setenv(args[0], u.Port())
		return
	}
	parts := strings.Split(first, "/") // /ip4/HOST/tcp/PORT/…
	if len(parts) < 5 {
		ts.Fatalf("no port in %q", first)
	}
	ts.Setenv(args[0], parts[4])
}

// jsonError looks at the error object on the last line of stderr: `error KIND`.
func jsonError(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: error KIND")
	}
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stderr"), "\n"), "\n")
	var doc struct {
		Error *struct {
			Kind, Message string
			Hint          *string
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &doc); err != nil || doc.Error == nil || doc.Error.Hint == nil {
		ts.Fatalf("the last line of stderr is not an error object: %q (%v)", lines[len(lines)-1], err)
	}
	if doc.Error.Kind != args[0] || doc.Error.Message == "" {
		ts.Fatalf("got kind %q, message %q; want kind %q and a message", doc.Error.Kind, doc.Error.Message, args[0])
	}
}

// silent runs a command against an address that takes connections and never
// answers, in $API, and interrupts it once it has asked: `silent CODE command…`.
func silent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: silent CODE command…")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer listener.Close()
	cmd := exec.Command(lookPath(ts, args[1]), args[2:]...)
	cmd.Env = append(os.Environ(), "MERO_HOME="+ts.Getenv("MERO_HOME"), "MERO_API=http://"+listener.Addr().String())
	cmd.Args[0] = args[1]
	var stderr strings.Builder
	cmd.Stderr = &stderr
	ts.Check(cmd.Start())
	conn, err := listener.Accept()
	ts.Check(err)
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	ts.Check(err)
	ts.Check(cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s; stderr: %s", got, args[0], &stderr)
	}
}

func lookPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	ts.Fatalf("no %s in PATH", name)
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// edit replaces text in a file: `edit FILE OLD NEW`.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not have %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

// twice sends a node that has to wait for a request two interrupts, the second
// once it has stopped listening: `twice NAME`. It must end at once then.
func twice(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: twice NAME")
	}
	home, err := node.HomeAt(ts.Getenv("MERO_HOME"), args[0])
	ts.Check(err)
	pid, ok := home.Running()
	if !ok {
		ts.Fatalf("node %s does not run", args[0])
	}
	process, err := os.FindProcess(pid)
	ts.Check(err)
	address := strings.TrimPrefix(home.APIAddrs()[0], "http://")
	conn, err := net.Dial("tcp", address)
	ts.Check(err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /jsonrpc HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n", address, home.Token())
	ts.Check(err)
	// The node asks for the body, so it works on the request now.
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100"))); err != nil {
		ts.Fatalf("the node does not take the request: %v", err)
	}
	ts.Check(process.Signal(os.Interrupt))
	for {
		probe, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		probe.Close()
	}
	ts.Check(process.Signal(os.Interrupt))
	began := time.Now()
	_, _ = io.Copy(io.Discard, conn) // until the process is gone
	if took := time.Since(began); took > time.Second {
		ts.Fatalf("the node ended %s after the second signal", took)
	}
	if !exists(home.APIAddrFile()) {
		ts.Fatalf("the node ended in order, so the second signal did nothing")
	}
}

// readme writes the n-th block of commands below a heading of the README to a
// file: `readme 'Quick start' 1 FILE`. What users are told to type is what runs.
func readme(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: readme HEADING N FILE")
	}
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	ts.Check(err)
	_, section, ok := strings.Cut(string(text), "\n## "+args[0]+"\n")
	if !ok {
		ts.Fatalf("README.md has no section %q", args[0])
	}
	section, _, _ = strings.Cut(section, "\n## ")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	blocks := strings.Split(section, "```sh\n")
	if n < 1 || n >= len(blocks) {
		ts.Fatalf("section %q of README.md has %d blocks", args[0], len(blocks)-1)
	}
	block, _, _ := strings.Cut(blocks[n], "```")
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(block), 0o600))
}
