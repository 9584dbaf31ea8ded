package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/node"
)

// settingDoc is one setting in json mode.
type settingDoc struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Source string `json:"source"` // default, file, environment or flag
	Where  string `json:"where,omitempty"`
}

func nodeConfig() *line.Verb {
	return &line.Verb{
		Name: "config", Args: "[KEY[=VALUE] …]", Max: -1, Summary: "show settings and where each comes from, or set them in the file",
		Long: "Without arguments, all settings. KEY=VALUE changes that value in config.toml and\n" +
			"nothing else of the file; it is in effect from the node's next start on. A setting\n" +
			"can be given for one run by the environment: MERO_SERVER_MAX_BODY for server.max_body.",
		Example: "mero node config log.level=info,store=debug",
		Flags:   []cli.Flag{&cli.StringFlag{Name: "config", Usage: "`FILE` in place of the home's config.toml"}},
		Run:     runNodeConfig,
	}
}

func runNodeConfig(_ context.Context, e *line.Env) error {
	file := e.Flags.String("config")
	if file == "" {
		file = e.Home.ConfigFile()
		if err := e.Initialised(); err != nil {
			return err
		}
	}
	var (
		keys     []string
		settings []node.Setting
	)
	for _, arg := range e.Args {
		key, text, set := strings.Cut(arg, "=")
		keys = append(keys, strings.TrimSpace(key))
		if set {
			settings = append(settings, node.Setting{Key: strings.TrimSpace(key), Text: strings.TrimSpace(text)})
		}
	}
	if len(settings) > 0 {
		if err := node.SetInFile(file, settings); err != nil {
			return err
		}
		if _, running := e.Home.Running(); running {
			e.Note("note: the running node goes on as it is; restart it for the change")
		}
	}
	src := node.Sources{File: file, MustExist: e.Flags.String("config") != "", Environ: e.Environ}
	if e.LogLevel != "" {
		src.Overrides = []node.Override{{
			Key: "log.level", Text: e.LogLevel, Source: node.Source{Kind: node.SourceFlag, Where: "--log-level (MERO_LOG)"},
		}}
	}
	eff, err := node.LoadConfig(src)
	if err != nil {
		return err
	}
	return printSettings(e, eff, keys, settings)
}

func printSettings(e *line.Env, eff *node.Effective, keys []string, set []node.Setting) error {
	if len(keys) == 0 {
		for _, key := range node.Keys() {
			keys = append(keys, key.Name)
		}
	}
	docs := make([]settingDoc, 0, len(keys))
	for _, name := range keys {
		value, source, ok := eff.Value(name)
		if !ok {
			return node.UnknownKey(name)
		}
		for _, s := range set {
			if s.Key == name && source.Kind != node.SourceFile {
				e.Note("note: %s is set in the file, but %s goes before it", name, source)
			}
		}
		if d, ok := value.(time.Duration); ok {
			value = strings.Trim(node.FormatValue(d), `"`)
		}
		docs = append(docs, settingDoc{Key: name, Value: value, Source: string(source.Kind), Where: source.Where})
	}
	return line.List(e, docs, []string{"KEY", "VALUE", "FROM"}, func(s settingDoc) []string {
		return []string{s.Key, node.FormatValue(s.Value), strings.TrimSpace(fmt.Sprintf("%s %s", s.Source, s.Where))}
	})
}
