package syncer

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mero/netkit"
	"mero/node/wire"
)

// rows are the cells of the lines of PROTOCOL.md that look like a pattern.
func rows(t *testing.T, pattern string) [][]string {
	t.Helper()
	data, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(data)) {
		if !regexp.MustCompile(pattern).MatchString(line) {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		out = append(out, cells)
	}
	return out
}

// TestProtocolStreams: PROTOCOL.md names every stream with its limits.
func TestProtocolStreams(t *testing.T) {
	p := newProtocols(DefaultConfig())
	code := map[string]netkit.Protocol{}
	for _, one := range []netkit.Protocol{p.hello, p.join, p.sync, p.heartbeat, p.blob, p.keys} {
		code[one.ID] = one
	}
	table := rows(t, "^\\| `/mero/")
	if len(table) != len(code) {
		t.Errorf("%d streams in PROTOCOL.md, %d in the code", len(table), len(code))
	}
	for _, row := range table {
		one, ok := code[row[0]]
		frame := fmt.Sprintf("%d KiB", one.MaxFrame>>10)
		if one.MaxFrame%(1<<20) == 0 {
			frame = fmt.Sprintf("%d MiB", one.MaxFrame>>20)
		}
		if want := []string{frame, strconv.Itoa(one.MaxIn), strconv.Itoa(one.MaxPerPeer)}; !ok || strings.Join(row[3:], " ") != strings.Join(want, " ") {
			t.Errorf("PROTOCOL.md has %v, the code %v", row, want)
		}
	}
}

// TestProtocolMessages: PROTOCOL.md names every kind of message.
func TestProtocolMessages(t *testing.T) {
	all := []wire.Message{
		new(wire.Refusal), new(wire.Hello), new(wire.Tags), new(wire.Bindings), new(wire.Ask), new(wire.Admitted), new(wire.Open),
		new(wire.Known), new(wire.Batch), new(wire.Sent), new(wire.Ack), new(wire.Beat), new(wire.Equal), new(wire.Detail), new(wire.Want),
		new(wire.Size), new(wire.Piece), new(wire.KeysAsk), new(wire.Keys), new(wire.Publish), new(wire.Announce),
	}
	table := rows(t, `^\| [0-9]+ \|`)
	if len(table) != len(all) || len(all) != int(wire.KindAnnounce) {
		t.Fatalf("%d kinds in PROTOCOL.md, %d in the code", len(table), len(all))
	}
	for i, m := range all {
		name := strings.TrimPrefix(fmt.Sprintf("%T", m), "*wire.")
		if table[i][0] != fmt.Sprint(uint64(m.Kind())) || table[i][1] != name {
			t.Errorf("PROTOCOL.md has %v, the code %d %s", table[i], m.Kind(), name)
		}
	}
}
