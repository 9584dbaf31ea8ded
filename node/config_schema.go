package node

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Key is one setting of the configuration: `server.listen`.
type Key struct {
	// Name is the section, a dot, and the key as the file spells it.
	Name string
	// Comment says what it does, in one or two sentences.
	Comment string
	// Default is the value without file, environment or flag.
	Default any

	kind reflect.Type
}

// Section is the part of the name before the first dot.
func (k Key) Section() string {
	section, _, _ := strings.Cut(k.Name, ".")
	return section
}

// Env is the environment variable that sets the key: MERO_SERVER_LISTEN.
func (k Key) Env() string {
	return "MERO_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// Keys lists every setting, by section, as the structs declare them.
func Keys() []Key {
	return structKeys(nil, "", reflect.ValueOf(DefaultConfig()))
}

func structKeys(out []Key, prefix string, v reflect.Value) []Key {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag := field.Tag.Get("koanf")
		if tag == "" || tag == "-" {
			continue
		}
		if field.Type.Kind() == reflect.Struct {
			out = structKeys(out, prefix+tag+".", v.Field(i))
			continue
		}
		out = append(out, Key{
			Name: prefix + tag, Comment: field.Tag.Get("comment"),
			Default: v.Field(i).Interface(), kind: field.Type,
		})
	}
	return out
}

func (k Key) isDuration() bool { return k.kind == reflect.TypeFor[time.Duration]() }

// wants says in words what values the key takes.
func (k Key) wants() string {
	if k.isDuration() {
		return `a duration such as "10s"`
	}
	switch k.kind.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list of strings"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	default:
		return "a whole number"
	}
}

// convert turns a value of the file (as a TOML parser gives it) into the key's
// own type. Nothing is guessed: a string is no number.
func (k Key) convert(v any) (any, bool) {
	out := reflect.New(k.kind).Elem()
	if k.isDuration() {
		text, ok := v.(string)
		if !ok {
			return nil, false
		}
		d, err := ParseDuration(text)
		return d, err == nil
	}
	switch k.kind.Kind() {
	case reflect.Bool:
		b, ok := v.(bool)
		out.SetBool(b)
		return out.Interface(), ok
	case reflect.String:
		s, ok := v.(string)
		out.SetString(s)
		return out.Interface(), ok
	case reflect.Slice:
		return k.convertList(v)
	case reflect.Float32, reflect.Float64:
		f, ok := number(v)
		if !ok || out.OverflowFloat(f) {
			return nil, false
		}
		out.SetFloat(f)
		return out.Interface(), true
	default:
		n, ok := v.(int64)
		switch {
		case !ok:
			return nil, false
		case out.CanUint():
			out.SetUint(uint64(max(n, 0)))
			return out.Interface(), n >= 0 && !out.OverflowUint(uint64(n))
		}
		out.SetInt(n)
		return out.Interface(), !out.OverflowInt(n)
	}
}

func (k Key) convertList(v any) (any, bool) {
	items, ok := v.([]any)
	if !ok {
		return nil, false
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, !math.IsNaN(n)
	case int64:
		return float64(n), true
	}
	return 0, false
}

// parse turns the text of a variable, a flag or an argument into the key's own
// type; lists are split at commas.
func (k Key) parse(text string) (any, bool) {
	if k.isDuration() {
		return k.convert(text)
	}
	switch k.kind.Kind() {
	case reflect.Bool:
		return k.convert(map[string]any{"true": true, "1": true, "false": false, "0": false}[text])
	case reflect.String:
		return k.convert(text)
	case reflect.Slice:
		items := []any{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		return k.convert(items)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, false
		}
		return k.convert(f)
	default:
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return nil, false
		}
		return k.convert(n)
	}
}

// FormatValue writes a setting as the file would: TOML.
func FormatValue(v any) string {
	switch value := v.(type) {
	case time.Duration:
		return quoteTOML(formatDuration(value))
	case string:
		return quoteTOML(value)
	case []string:
		items := make([]string, 0, len(value))
		for _, item := range value {
			items = append(items, quoteTOML(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case float64:
		text := strconv.FormatFloat(value, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	default:
		return fmt.Sprint(v)
	}
}

func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// formatDuration drops the zero parts that time.Duration prints: 24h, not 24h0m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ParseDuration reads 90s, 15m, 24h, 1h30m and, beyond the standard library, 7d.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || n > 36500 {
		return 0, fmt.Errorf("invalid duration %q", text)
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 {
		return 0, fmt.Errorf("invalid duration %q", text)
	}
	return d + more, nil
}
