package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/bench"
	"mero/node"
)

func benchmarks() *verb {
	var long strings.Builder
	long.WriteString("Each measure starts nodes of its own, on free ports, in a directory that is deleted at\nthe end; a running node is not touched. Without MEASURE all run, for some minutes:\n")
	for _, m := range bench.Measures() {
		_, _ = fmt.Fprintf(&long, "  %-4s %s\n", m.ID, m.What) // a Builder does not fail
	}
	long.WriteString("Figures and targets are explained in node/BENCHMARKS.md.")
	return &verb{
		name: "bench", args: "[MEASURE…]", max: -1, slow: true, summary: "measure this program on this machine",
		long: long.String(), example: "mero bench --quick P15 P18",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "quick", Usage: "smaller and shorter: a first idea in about a minute"},
			&cli.StringSliceFlag{Name: "app", Usage: "`FILE` of a key-value application to measure beside the embedded one, may be repeated: init{}, set{key, value}, get{key}"},
			&cli.StringFlag{Name: "dir", DefaultText: "the system's for temporary files", Usage: "`DIR` to make the nodes' homes in; its disk decides what fsync costs"},
		},
		run: runBench,
	}
}

func runBench(ctx context.Context, e *env) error {
	if len(e.args) == 1 && e.arg(0) == bench.BareWord {
		return bench.ServeBare(ctx, e.in, e.out)
	}
	cfg := bench.Config{Only: e.args, Size: bench.Full(), Dir: e.c.String("dir"), Progress: func(text string) { e.note("%s", text) }}
	if err := checkMeasures(e.args); err != nil {
		return err
	}
	if e.c.Bool("quick") {
		cfg.Size = bench.Quick()
	}
	for _, file := range e.c.StringSlice("app") {
		app, err := readApp(file)
		if err != nil {
			return err
		}
		cfg.Apps = append(cfg.Apps, *app)
	}
	var results []bench.Result
	err := bench.Run(ctx, cfg, func(r bench.Result) error {
		results = append(results, r)
		if e.json {
			return e.object(r, nil)
		}
		return nil
	})
	if !e.json { // what was measured before an error is shown, too
		head := []string{"ID", "MEASURE", "APP", "VALUE", "TARGET", "STRETCH", "MET", "P50", "P99", "NOTE"}
		err = errors.Join(err, list(e, results, head, benchRow))
	}
	return err
}

func checkMeasures(ids []string) error {
	var known []string
	for _, m := range bench.Measures() {
		known = append(known, m.ID)
	}
next:
	for _, id := range ids {
		for _, k := range known {
			if strings.EqualFold(id, k) {
				continue next
			}
		}
		return &usageError{
			text:    "there is no measure " + strconv.Quote(id) + ", only " + strings.Join(known, " "),
			nearest: node.Nearest(id, known),
		}
	}
	return nil
}

func readApp(file string) (*bench.App, error) {
	code, err := openCode(file)
	if err != nil {
		return nil, err
	}
	defer code.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(code)
	if err != nil {
		return nil, fmt.Errorf("read the application: %w", err)
	}
	return &bench.App{Name: strings.TrimSuffix(filepath.Base(code.name), ".wasm"), Code: data}, nil
}

// benchRow is a result for people.
func benchRow(r bench.Result) []string {
	sign := "≥ "
	if r.Better == bench.Less {
		sign = "≤ "
	}
	met := ""
	if r.Met != nil {
		met = map[bool]string{true: "yes", false: "no"}[*r.Met]
	}
	return []string{
		r.ID, r.Measure, r.App, figure("", r.Value, r.Unit), figure(sign, r.Target, r.Unit), figure(sign, r.Stretch, r.Unit),
		met, figure("", r.P50, "ms"), figure("", r.P99, "ms"), r.Note,
	}
}

func figure(sign string, v *float64, unit string) string {
	if v == nil {
		return ""
	}
	text := strconv.FormatFloat(*v, 'f', -1, 64)
	if unit == "1/s" {
		return sign + text + "/s"
	}
	return sign + text + " " + unit
}
