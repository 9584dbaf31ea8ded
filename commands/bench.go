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
	"mero/commands/line"
	"mero/node"
)

func benchmarks() *line.Verb {
	var long strings.Builder
	long.WriteString("Each measure starts nodes of its own, on free ports, in a directory that is deleted at\nthe end; a running node is not touched. Without MEASURE all run, for some minutes:\n")
	for _, m := range bench.Measures() {
		_, _ = fmt.Fprintf(&long, "  %-4s %s\n", m.ID, m.What) // a Builder does not fail
	}
	long.WriteString("Figures and targets are explained in node/BENCHMARKS.md.")
	return &line.Verb{
		Name: "bench", Args: "[MEASURE…]", Max: -1, Slow: true, Summary: "measure this program on this machine",
		Long: long.String(), Example: "mero bench --quick P15 P18",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quick", Usage: "smaller and shorter: a first idea in about a minute"},
			&cli.StringSliceFlag{Name: "app", Usage: "`FILE` of a key-value application to measure beside the embedded one, may be repeated: init{}, set{key, value}, get{key}"},
			&cli.StringFlag{Name: "dir", DefaultText: "the system's for temporary files", Usage: "`DIR` to make the nodes' homes in; its disk decides what fsync costs"},
		},
		Run: runBench,
	}
}

func runBench(ctx context.Context, e *line.Env) error {
	if len(e.Args) == 1 && e.Arg(0) == bench.BareWord {
		return bench.ServeBare(ctx, e.In, e.Out)
	}
	cfg := bench.Config{Only: e.Args, Size: bench.Full(), Dir: e.Flags.String("dir"), Progress: func(text string) { e.Note("%s", text) }}
	if err := checkMeasures(e.Args); err != nil {
		return err
	}
	if e.Flags.Bool("quick") {
		cfg.Size = bench.Quick()
	}
	for _, file := range e.Flags.StringSlice("app") {
		app, err := readApp(file)
		if err != nil {
			return err
		}
		cfg.Apps = append(cfg.Apps, *app)
	}
	var results []bench.Result
	err := bench.Run(ctx, cfg, func(r bench.Result) error {
		results = append(results, r)
		if e.JSON {
			return e.Object(r, nil)
		}
		return nil
	})
	if !e.JSON { // what was measured before an error is shown, too
		head := []string{"ID", "MEASURE", "APP", "VALUE", "TARGET", "STRETCH", "MET", "P50", "P99", "NOTE"}
		err = errors.Join(err, line.List(e, results, head, benchRow))
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
		return &line.UsageError{
			Text:    "there is no measure " + strconv.Quote(id) + ", only " + strings.Join(known, " "),
			Nearest: node.Nearest(id, known),
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
