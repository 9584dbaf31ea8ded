package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// fileEntry is one `key = value` of a TOML file: its full name, and where the
// bytes of both are.
type fileEntry struct {
	name       string
	line       int
	start, end int
	valueStart int
}

// fileTable is one `[header]`, with where its line ends.
type fileTable struct {
	name string
	end  int
}

// fileLayout is where everything is in a TOML file, so that one value can be
// replaced without touching a byte of the rest.
type fileLayout struct {
	entries []fileEntry
	tables  []fileTable
}

func scanFile(data []byte) (fileLayout, error) {
	var (
		layout fileLayout
		parser unstable.Parser
		table  string
	)
	parser.Reset(data)
	for parser.NextExpression() {
		expr := parser.Expression()
		switch expr.Kind {
		case unstable.Table, unstable.ArrayTable:
			name, last := joinKey(expr.Key())
			table = name
			layout.tables = append(layout.tables, fileTable{name: name, end: lineEnd(data, int(last.Offset+last.Length))})
		case unstable.KeyValue:
			name, last := joinKey(expr.Key())
			if table != "" {
				name = table + "." + name
			}
			start, end := int(expr.Raw.Offset), int(expr.Raw.Offset+expr.Raw.Length)
			keyEnd := int(last.Offset + last.Length)
			value := keyEnd + bytes.IndexByte(data[keyEnd:], '=') + 1
			for value < end && (data[value] == ' ' || data[value] == '\t') {
				value++
			}
			layout.entries = append(layout.entries, fileEntry{
				name: name, line: 1 + bytes.Count(data[:start], []byte("\n")),
				start: start, end: start + len(bytes.TrimRight(data[start:end], " \t")), valueStart: value,
			})
		default:
		}
	}
	return layout, parser.Error()
}

func joinKey(keys unstable.Iterator) (string, unstable.Range) {
	var (
		parts []string
		last  unstable.Range
	)
	for keys.Next() {
		parts = append(parts, string(keys.Node().Data))
		last = keys.Node().Raw
	}
	return strings.Join(parts, "."), last
}

// lineEnd is the offset after the line that holds from.
func lineEnd(data []byte, from int) int {
	if n := bytes.IndexByte(data[from:], '\n'); n >= 0 {
		return from + n + 1
	}
	return len(data)
}

// editFile sets one key in the text of a configuration file and leaves every
// other byte as it is. A key that is not set yet goes below its commented
// default, else below its section's header, else to the end.
func editFile(data []byte, key Key, value any) ([]byte, error) {
	layout, err := scanFile(data)
	if err != nil {
		return nil, err
	}
	for _, entry := range layout.entries {
		switch {
		case entry.name == key.Name:
			return splice(data, entry.valueStart, entry.end, FormatValue(value)), nil
		case strings.HasPrefix(key.Name, entry.name+"."):
			return nil, fmt.Errorf("line %d writes %s as one value; write it as a section [%s], or change it by hand",
				entry.line, entry.name, key.Section())
		}
	}
	eol := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		eol = "\r\n"
	}
	dot := strings.LastIndexByte(key.Name, '.')
	section, name := key.Name[:dot], key.Name[dot+1:]
	line := name + " = " + FormatValue(value) + eol
	for i, table := range layout.tables {
		if table.name != section {
			continue
		}
		end := len(data)
		if i+1 < len(layout.tables) {
			end = layout.tables[i+1].end
		}
		at := table.end
		if found := commentedKey(data, at, end, name); found >= 0 {
			at = found
		}
		return insertLine(data, at, line, eol), nil
	}
	if len(data) > 0 {
		line = eol + "[" + section + "]" + eol + line
	} else {
		line = "[" + section + "]" + eol + line
	}
	return insertLine(data, len(data), line, eol), nil
}

// commentedKey finds the line `#name = …` and gives the offset after it, or -1.
func commentedKey(data []byte, from, to int, name string) int {
	for at := from; at < to; {
		end := lineEnd(data, at)
		line := strings.TrimSpace(string(data[at:end]))
		at = end
		rest, ok := strings.CutPrefix(line, "#")
		if !ok {
			continue
		}
		rest, ok = strings.CutPrefix(strings.TrimSpace(rest), name)
		if ok && strings.HasPrefix(strings.TrimSpace(rest), "=") {
			return end
		}
	}
	return -1
}

func splice(data []byte, from, to int, text string) []byte {
	out := make([]byte, 0, len(data)+len(text))
	out = append(out, data[:from]...)
	out = append(out, text...)
	return append(out, data[to:]...)
}

func insertLine(data []byte, at int, line, eol string) []byte {
	if at > 0 && data[at-1] != '\n' {
		line = eol + line // the file's last line has no end of its own
	}
	return splice(data, at, at, line)
}

// parseSetting reads the VALUE of `node config KEY=VALUE`: TOML if it is a value
// of that, else the bare text, so that strings need no second pair of quotes.
func (k Key) parseSetting(text string) (any, bool) {
	var doc map[string]any
	if err := toml.Unmarshal([]byte("v = "+text+"\n"), &doc); err == nil && len(doc) == 1 {
		if v, ok := k.convert(doc["v"]); ok {
			return v, true
		}
	}
	return k.parse(text)
}

// Setting is a key and the text to set it to.
type Setting struct{ Key, Text string }

// SetInFile sets keys in a configuration file. All of the file but those values
// stays as it is, byte for byte; the result is loaded and validated, and then
// replaces the file in one step. After an error the file is unchanged.
func SetInFile(path string, settings []Setting) error {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read configuration: %w", err)
	}
	known := keyTable()
	for _, setting := range settings {
		key, ok := known[setting.Key]
		if !ok {
			return unknownKey(setting.Key, Source{Kind: SourceArgument, Where: setting.Key})
		}
		value, ok := key.parseSetting(setting.Text)
		if !ok {
			return &ConfigError{
				Key: key.Name, Value: setting.Text,
				Source: Source{Kind: SourceArgument, Where: setting.Key}, Reason: "wants " + key.wants(),
			}
		}
		if data, err = editFile(data, key, value); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if _, err := loadBytes(path, data, nil, nil); err != nil {
		return err
	}
	return writeWhole(path, data, filePerm)
}

// NewFile is the text of a fresh configuration file: every key with its comment
// and its default, commented out, and below it the value that was chosen, if any.
func NewFile(chosen []Setting) ([]byte, error) {
	values := make(map[string]any, len(chosen))
	known := keyTable()
	for _, setting := range chosen {
		key, ok := known[setting.Key]
		if !ok {
			return nil, unknownKey(setting.Key, Source{Kind: SourceArgument, Where: setting.Key})
		}
		value, ok := key.parseSetting(setting.Text)
		if !ok {
			return nil, &ConfigError{
				Key: key.Name, Value: setting.Text,
				Source: Source{Kind: SourceArgument, Where: setting.Key}, Reason: "wants " + key.wants(),
			}
		}
		values[setting.Key] = value
	}
	var b strings.Builder
	b.WriteString("# Configuration of a mero node. `mero node config` shows what is in effect and where it comes from.\n" +
		"# A flag goes before an environment variable (MERO_<SECTION>_<KEY>), that before this file, and this file\n" +
		"# before the defaults, which are the values commented out here.\n")
	section := ""
	for _, key := range Keys() {
		dot := strings.LastIndexByte(key.Name, '.')
		if key.Name[:dot] != section {
			section = key.Name[:dot]
			b.WriteString("\n[" + section + "]\n")
		}
		b.WriteString("\n")
		for _, line := range wrap(key.Comment, 100) {
			b.WriteString("# " + line + "\n")
		}
		name := key.Name[dot+1:]
		b.WriteString("#" + name + " = " + FormatValue(key.Default) + "\n")
		if value, ok := values[key.Name]; ok {
			b.WriteString(name + " = " + FormatValue(value) + "\n")
		}
	}
	return []byte(b.String()), nil
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}

// writeWhole replaces a file in one step: readers see the old bytes or the new,
// and a crash leaves one of both.
func writeWhole(path string, data []byte, perm os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}
