package netsim_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mero/netkit"
	"mero/netkit/netsim"
)

var callProtocol = netkit.Protocol{ID: "/test/call/1", MaxFrame: 1 << 20, Idle: time.Minute}

// answerLength reads a frame and says when it has it all.
func answerLength(_ context.Context, s *netkit.Stream) {
	if _, err := s.Read(); err == nil {
		_ = errors.Join(s.Write([]byte("done")), s.Close())
	}
}

// callNet sends a frame and waits for the answer.
func callNet(t *testing.T, from, to *netkit.Net, size int, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	s, err := from.Open(ctx, to.PeerID(), callProtocol)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.Reset)()
	defer s.Reset()
	if err := errors.Join(s.Write(slices.Repeat([]byte{1}, size)), s.Flush()); err != nil {
		return err
	}
	_, err = s.Read()
	return err
}

// twoKept are two nodes that keep each other, connected.
func twoKept(t *testing.T, n *netsim.Network) *nets {
	all := newNets(t, n, 2)
	for _, node := range all.list {
		node.Handle(callProtocol, answerLength)
	}
	all.keep()
	<-time.After(65 * time.Second)
	return all
}

// TestSilence: a connection over which something was sent in vain is given up within
// four seconds, and after the fault a new one is made at once. The
// transport itself keeps it for 30 s, and repeats what was lost ever more rarely.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(1)
		n.SetAll(netsim.Link{Latency: 20 * time.Millisecond})
		all := twoKept(t, n)
		defer all.stop()
		for i := range 8 {
			n.CutBoth(spot(0), spot(1))
			lasts := time.Duration(2*i+1) * time.Second
			began := time.Now()
			if err := callNet(t, all.list[0], all.list[1], 10, 100*time.Millisecond); err == nil {
				t.Fatal("an answer over a cut")
			}
			<-time.After(time.Until(began.Add(lasts)))
			if lasts > 4*time.Second && all.linked(0, 1) {
				t.Errorf("%s after something was sent in vain they are still connected", lasts)
			}
			n.Heal()
			healed := time.Now()
			for !all.linked(0, 1) || callNet(t, all.list[0], all.list[1], 10, time.Second) != nil {
				<-time.After(10 * time.Millisecond)
			}
			if took := time.Since(healed); took > 3*time.Second {
				t.Errorf("a cut of %s: an answer %s after it", lasts, took)
			}
			<-time.After(time.Minute)
		}
	})
}

// TestSlowLine: a line that needs many seconds to pass on what it is given is not
// taken for dead, and a peer that nothing is sent to is left alone.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(1)
		n.SetAll(netsim.Link{Latency: 20 * time.Millisecond})
		all := twoKept(t, n)
		defer all.stop()
		before := n.Stats()
		<-time.After(25 * time.Second)
		if after := n.Stats(); after.Bytes-before.Bytes > 2000 {
			t.Errorf("two idle peers exchange %d bytes in 25 s", after.Bytes-before.Bytes)
		}
		n.SetAccess(spot(0), netsim.Access{Up: 16 << 10})
		if err := callNet(t, all.list[0], all.list[1], 300<<10, 5*time.Minute); err != nil {
			t.Error(err)
		}
	})
}
