package events_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"mero/node/events"
	"mero/node/ident"
)

func TestWatchersSeeTheirContextsInOrder(t *testing.T) {
	bus := events.New(events.DefaultQueue, prometheus.NewRegistry())
	a, b := ident.NewPrivateKey(), ident.NewPrivateKey()
	ca, cb := ident.ContextID(a.Public()), ident.ContextID(b.Public())
	onlyA, all := bus.Watch(ca), bus.Watch()
	for i := range byte(10) {
		bus.Publish(events.Change{Context: ca, Root: [32]byte{i}})
		bus.Publish(events.Change{Context: cb, Root: [32]byte{i}})
	}
	onlyA.Close()
	all.Close()
	var got []byte
	for c := range onlyA.Changes() {
		if c.Context != ca {
			t.Errorf("saw a change of %s", c.Context)
		}
		got = append(got, c.Root[0])
	}
	if string(got) != "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09" {
		t.Errorf("got order %v", got)
	}
	n := 0
	for range all.Changes() {
		n++
	}
	if n != 20 {
		t.Errorf("a watcher of everything saw %d changes, want 20", n)
	}
}

func TestSlowWatcherIsEndedNotSkipped(t *testing.T) {
	bus := events.New(2, prometheus.NewRegistry())
	slow, good := bus.Watch(), bus.Watch()
	for i := range byte(3) {
		bus.Publish(events.Change{Root: [32]byte{i}})
		<-good.Changes()
	}
	n := 0
	for range slow.Changes() {
		n++
	}
	if n != 2 || !errors.Is(slow.Err(), events.ErrTooSlow) {
		t.Errorf("got %d changes and %v, want 2 and ErrTooSlow", n, slow.Err())
	}
	if good.Err() != nil {
		t.Errorf("the other watcher was ended: %v", good.Err())
	}
	slow.Close()
	slow.Close()
	good.Close()
}
