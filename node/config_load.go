package node

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	gotoml "github.com/pelletier/go-toml/v2"
)

// SourceKind is where a setting's value came from, the weakest first.
type SourceKind string

// The sources, in the order of precedence; an argument is a value that is being
// set and has not been accepted yet.
const (
	SourceDefault  SourceKind = "default"
	SourceFile     SourceKind = "file"
	SourceEnv      SourceKind = "environment"
	SourceFlag     SourceKind = "flag"
	SourceArgument SourceKind = "argument"
)

// Source names where a value came from: file and line, variable, or flag.
type Source struct {
	Kind  SourceKind
	Where string
}

// String is for people: `environment MERO_SERVER_LISTEN`.
func (s Source) String() string {
	if s.Where == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + " " + s.Where
}

// ConfigError is a setting that can not be used.
type ConfigError struct {
	Key    string
	Value  string // as it was written; "" when the key itself is wrong
	Source Source
	Reason string
	// Nearest is the known key that an unknown one most likely meant, or "".
	Nearest string
}

// Error names the key, its value, where it came from, and what is wrong.
func (e *ConfigError) Error() string {
	text := e.Key
	if e.Value != "" {
		text += " = " + e.Value
	}
	if e.Source.Kind != SourceArgument {
		text += " (" + e.Source.String() + ")"
	}
	return text + ": " + e.Reason
}

// Hint says what to do about it, or is empty.
func (e *ConfigError) Hint() string {
	if e.Nearest != "" {
		return "did you mean " + e.Nearest + "?"
	}
	return ""
}

// Override is a setting that a flag, or another source stronger than the file,
// gives for this run.
type Override struct {
	Key, Text string
	Source    Source
}

// Sources says what a configuration is read from.
type Sources struct {
	// File is the path of config.toml.
	File string
	// MustExist makes an absent file an error.
	MustExist bool
	// Environ are variables as os.Environ gives them. Those that no key has are
	// ignored.
	Environ []string
	// Overrides go before everything else.
	Overrides []Override
}

// Effective is a configuration with the source of each value.
type Effective struct {
	Config Config
	values map[string]any
	source map[string]Source
}

// Value is what is in effect for a key, and where it comes from. ok is false for
// an unknown key.
func (e *Effective) Value(key string) (value any, source Source, ok bool) {
	value, ok = e.values[key]
	return value, e.source[key], ok
}

// LoadConfig reads a configuration: overrides before the environment before the
// file before the defaults. Errors are *ConfigError, of the syntax of the file,
// or of reading it.
func LoadConfig(src Sources) (*Effective, error) {
	data, err := os.ReadFile(src.File)
	if errors.Is(err, os.ErrNotExist) && !src.MustExist {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return loadBytes(src.File, data, src.Environ, src.Overrides)
}

func loadBytes(path string, data []byte, environ []string, overrides []Override) (*Effective, error) {
	eff := &Effective{values: make(map[string]any), source: make(map[string]Source)}
	known := keyTable()
	for name, key := range known {
		eff.set(name, key.Default, Source{Kind: SourceDefault})
	}
	if err := eff.addFile(known, path, data); err != nil {
		return nil, err
	}
	if err := eff.addEnv(known, environ); err != nil {
		return nil, err
	}
	for _, o := range overrides {
		if err := eff.addText(known, o.Key, o.Text, o.Source); err != nil {
			return nil, err
		}
	}
	merged := koanf.New(".")
	if err := merged.Load(confmap.Provider(eff.values, "."), nil); err != nil {
		return nil, fmt.Errorf("merge configuration: %w", err)
	}
	eff.Config = DefaultConfig()
	if err := merged.Unmarshal("", &eff.Config); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if err := eff.Config.Validate(); err != nil {
		return nil, eff.blame(err)
	}
	return eff, nil
}

func (e *Effective) set(key string, value any, source Source) {
	e.values[key], e.source[key] = value, source
}

func (e *Effective) addFile(known map[string]Key, path string, data []byte) error {
	doc, err := toml.Parser().Unmarshal(data)
	if err != nil {
		return syntaxError(path, err)
	}
	layout, err := scanFile(data)
	if err != nil {
		return syntaxError(path, err)
	}
	lines := make(map[string]int, len(layout.entries))
	for _, entry := range layout.entries {
		lines[entry.name] = entry.line
	}
	flat := make(map[string]any)
	flatten(flat, "", doc, known)
	for _, name := range slices.Sorted(maps.Keys(flat)) { // the same error each time
		value, where := flat[name], path
		if line, ok := lines[name]; ok {
			where = fmt.Sprintf("%s:%d", path, line)
		}
		source := Source{Kind: SourceFile, Where: where}
		key, ok := known[name]
		if !ok {
			return unknownKey(name, source)
		}
		typed, ok := key.convert(value)
		if !ok {
			return &ConfigError{Key: name, Value: writtenValue(value), Source: source, Reason: "wants " + key.wants()}
		}
		e.set(name, typed, source)
	}
	return nil
}

// flatten makes dotted names; a table is a value only when a key has its name.
func flatten(out map[string]any, prefix string, doc map[string]any, known map[string]Key) {
	for name, value := range doc {
		full := prefix + name
		_, isKey := known[full]
		if table, ok := value.(map[string]any); ok && !isKey && len(table) > 0 {
			flatten(out, full+".", table, known)
			continue
		}
		if table, ok := value.(map[string]any); ok && len(table) == 0 && isSection(known, full) {
			continue
		}
		out[full] = value
	}
}

func isSection(known map[string]Key, name string) bool {
	for key := range known {
		if strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

func (e *Effective) addEnv(known map[string]Key, environ []string) error {
	names := make(map[string]string, len(known))
	for name, key := range known {
		names[key.Env()] = name
	}
	for _, entry := range environ {
		variable, text, _ := strings.Cut(entry, "=")
		name, ok := names[variable]
		if !ok || text == "" { // an empty variable is how a shell says "unset"
			continue
		}
		if err := e.addText(known, name, text, Source{Kind: SourceEnv, Where: variable}); err != nil {
			return err
		}
	}
	return nil
}

func (e *Effective) addText(known map[string]Key, name, text string, source Source) error {
	key, ok := known[name]
	if !ok {
		return unknownKey(name, source)
	}
	value, ok := key.parse(text)
	if !ok {
		return &ConfigError{Key: name, Value: text, Source: source, Reason: "wants " + key.wants()}
	}
	e.set(name, value, source)
	return nil
}

// blame adds to an error of Validate, which begins with the key, the value and
// where it came from.
func (e *Effective) blame(err error) error {
	name, reason, ok := strings.Cut(err.Error(), ": ")
	value, source, known := e.Value(name)
	if !ok || !known {
		return err
	}
	return &ConfigError{Key: name, Value: FormatValue(value), Source: source, Reason: reason}
}

// UnknownKey is the error for a key that there is none of.
func UnknownKey(name string) error {
	return unknownKey(name, Source{Kind: SourceArgument, Where: name})
}

func unknownKey(name string, source Source) error {
	var names []string
	for _, key := range Keys() {
		names = append(names, key.Name)
	}
	return &ConfigError{Key: name, Source: source, Reason: "there is no such setting", Nearest: nearestKey(name, names)}
}

// nearestKey looks in the section first, then for the same name elsewhere.
func nearestKey(name string, names []string) string {
	if found := Nearest(name, names); found != "" {
		return found
	}
	_, last, _ := strings.Cut(name, ".")
	for _, candidate := range names {
		if _, tail, _ := strings.Cut(candidate, "."); last != "" && tail == last {
			return candidate
		}
	}
	return ""
}

func keyTable() map[string]Key {
	known := make(map[string]Key)
	for _, key := range Keys() {
		known[key.Name] = key
	}
	return known
}

func writtenValue(v any) string {
	switch value := v.(type) {
	case string:
		return FormatValue(value)
	case map[string]any:
		return "a table"
	default:
		return fmt.Sprint(v)
	}
}

// syntaxError says where a file is not TOML.
func syntaxError(path string, err error) error {
	var at *gotoml.DecodeError
	if errors.As(err, &at) {
		row, col := at.Position()
		return &ConfigError{
			Key: path, Source: Source{Kind: SourceFile, Where: fmt.Sprintf("%s:%d:%d", path, row, col)},
			Reason: "is not TOML: " + strings.TrimPrefix(at.Error(), "toml: "),
		}
	}
	return &ConfigError{
		Key: path, Source: Source{Kind: SourceFile, Where: path},
		Reason: "is not TOML: " + strings.TrimPrefix(err.Error(), "toml: "),
	}
}
