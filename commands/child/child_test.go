package child_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mero/commands/child"
)

// TestMain makes this test binary a program whose first argument says what it does.
func TestMain(m *testing.M) {
	if os.Args[0] != "mero" {
		os.Exit(m.Run())
	}
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "MERO_") {
			_, _ = os.Stderr.WriteString("it sees " + entry)
			os.Exit(1)
		}
	}
	switch os.Args[1] {
	case "fail":
		_, _ = os.Stderr.WriteString("no such port")
		os.Exit(1)
	case "end":
		_, _ = os.Stdout.WriteString("ready\n")
	case "stay":
		_, _ = os.Stdout.WriteString("ready\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // an interrupt ends it
	}
}

// TestSpawn: a child that is ready, one that never is, and one that ends by itself.
func TestSpawn(t *testing.T) {
	t.Setenv("MERO_API", "http://127.0.0.1:1")
	program, err := child.This()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	_, err = program.Spawn(t.Context(), log, "fail")
	if err == nil || !strings.Contains(err.Error(), "no such port") {
		t.Errorf("got %v, not what it said last", err)
	}
	p, err := program.Spawn(t.Context(), log, "end")
	if err != nil || string(p.Line) != "ready\n" {
		t.Fatalf("got %v, %v", p, err)
	}
	<-p.Ended()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err = program.Spawn(ctx, log, "stay")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Ended():
		t.Fatal("it has ended")
	default:
	}
	cancel()
	<-p.Ended()
	if err := p.Stop(); err == nil {
		t.Error("a program that a signal killed has ended well")
	}
}
