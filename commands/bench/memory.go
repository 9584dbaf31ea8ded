package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// measureMemory is P16. What counts is a node that was started again: one that
// has just worked still has memory that it gives back later.
func measureMemory(ctx context.Context, b *bench) error {
	if err := b.emptyMemory(ctx); err != nil {
		return err
	}
	h, err := b.newHome(ctx, true)
	if err != nil {
		return err
	}
	defer remove(h)
	n, deltas := b.cfg.Size.Contexts, b.cfg.Size.Deltas
	app := floor() // a memory full of deltas, made in a minute
	what := fmt.Sprintf("idle memory, %d contexts of %d deltas", n, deltas)
	b.say(fmt.Sprintf("P16: writing %d deltas", n*deltas))
	err = while(ctx, h, func(p *process) error {
		c := newCaller(p.url, p.token)
		defer c.close()
		list, err := p.instances(ctx, app, n)
		if err != nil {
			return err
		}
		err = each(ctx, n*deltas, func(ctx context.Context, i int) error {
			return c.post(ctx, list[i%n].set(i/n%fewKeys, clients, i))
		})
		if err != nil {
			return err
		}
		return b.resident(ctx, p, what+", just written", app.Name, nil)
	})
	if err != nil {
		return err
	}
	return while(ctx, h, func(p *process) error {
		return b.resident(ctx, p, what, app.Name, func(r Result) Result {
			if n < designContexts || deltas < designDeltas {
				return r
			}
			return r.targets(120, 80)
		})
	})
}

func (b *bench) emptyMemory(ctx context.Context) error {
	h, err := b.newHome(ctx, false)
	if err != nil {
		return err
	}
	defer remove(h)
	// The first start makes keys and files; what counts is a later one.
	if err := while(ctx, h, func(*process) error { return nil }); err != nil {
		return err
	}
	return while(ctx, h, func(p *process) error {
		return b.resident(ctx, p, "idle memory, empty", "", func(r Result) Result { return r.targets(45, 30) })
	})
}

// resident leaves a node alone for a while and emits its resident memory.
func (b *bench) resident(ctx context.Context, p *process, what, app string, targets func(Result) Result) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.cfg.Size.Settle):
	}
	bytes, note, err := residentBytes(ctx, p.PID)
	if err != nil {
		return err
	}
	r := size("P16", what, app, bytes).note(note)
	if bytes == 0 {
		r.Value = nil
	}
	if targets != nil {
		r = targets(r)
	}
	return b.emit(r)
}

// residentBytes is the resident memory of a process, or 0 with the reason where
// it is not known.
func residentBytes(ctx context.Context, pid int) (total uint64, note string, err error) {
	switch runtime.GOOS {
	case "linux":
		return procStatus(pid)
	case "windows":
		return 0, "not available on windows", nil
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	if err != nil {
		return 0, "", fmt.Errorf("ps: %w", err)
	}
	kib, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, "", fmt.Errorf("what ps says is not understood: %w", err)
	}
	return kib << 10, "", nil
}

// procStatus also says how much is the process's own: the rest are pages of
// files, the program's code above all, which the system takes back when it
// needs them.
func procStatus(pid int) (total uint64, note string, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, "", fmt.Errorf("memory of a node: %w", err)
	}
	var own uint64
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			continue // not a size
		}
		switch name {
		case "VmRSS":
			total = kib << 10
		case "RssAnon":
			own = kib << 10
		}
	}
	return total, fmt.Sprintf("%.0f MB without pages of files", float64(own)/1e6), nil
}
