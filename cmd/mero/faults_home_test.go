package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestOneHomeAtOnce starts several nodes with one home at the same moment, one
// that must be made first: exactly one runs, and the others name it.
// (One after another: commands/testdata/script/one_home.txtar, ports too.)
func TestOneHomeAtOnce(t *testing.T) {
	const nodes = 4
	rounds := scaled(6)
	p := newPlace(t)
	for round := range rounds {
		name := fmt.Sprint("n", round)
		procs := make([]*process, nodes)
		for i := range procs {
			procs[i] = p.run(t, "node", "run", "--node", name)
		}
		var winner *process
		eventually(t, "one node is ready and the others have ended", func() bool {
			ended := 0
			for _, proc := range procs {
				if proc.ended() {
					ended++
				} else if winner == nil && len(proc.ready) > 0 {
					winner = proc
				}
			}
			return ended == nodes || winner != nil && ended == nodes-1
		})
		if winner == nil {
			for _, proc := range procs {
				t.Log(&proc.stderr)
			}
			t.Fatalf("round %d: no node runs", round)
		}
		peer := winner.waitReady(t).PeerID
		for _, proc := range procs {
			if proc == winner {
				continue
			}
			want := fmt.Sprintf("used by another process: pid %d", winner.cmd.Process.Pid)
			if code := proc.wait(t); code != 1 || !strings.Contains(proc.stderr.String(), want) {
				t.Errorf("round %d: exit code %d, want 1 and %q\n%s", round, code, want, &proc.stderr)
			}
		}
		if pid, running := p.home(t, name).Running(); !running || pid != winner.cmd.Process.Pid {
			t.Errorf("round %d: the lock names %d (%v), the node is %d", round, pid, running, winner.cmd.Process.Pid)
		}
		if _, err := p.client(t, name, winner).Status(t.Context()); err != nil {
			t.Errorf("round %d: the token in the home is not the node's: %v", round, err)
		}
		// The losers made no key of their own in the home.
		winner.kill()
		winner.wait(t)
		again := p.run(t, "node", "run", "--node", name)
		if got := again.waitReady(t).PeerID; got != peer {
			t.Errorf("round %d: peer %s became %s at a restart", round, peer, got)
		}
		again.kill()
		again.wait(t)
	}
	t.Logf("%d rounds of %d nodes", rounds, nodes)
}

// TestKilledAddresses: what a killed node left in its home is not taken for a
// running node.
func TestKilledAddresses(t *testing.T) {
	p := newPlace(t)
	proc := p.start(t, "n")
	home := p.home(t, "n")
	proc.kill()
	proc.wait(t)
	if !exists(home.APIAddrFile()) {
		t.Fatal("kill -9 removed api.addr: this test tests nothing")
	}
	if pid, running := home.Running(); running {
		t.Errorf("the home is said to be used by %d", pid)
	}
	status := p.run(t, "node", "status", "--node", "n")
	if code := status.wait(t); code != 3 || !strings.Contains(status.stderr.String(), "is not running") {
		t.Errorf("status: exit code %d, want 3\n%s", code, &status.stderr)
	}
}
