package delta_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
)

func fullApp() delta.App {
	return delta.App{
		App: [32]byte{1}, Code: [32]byte{2}, Package: strings.Repeat("p", delta.MaxName),
		Version: strings.Repeat("v", delta.MaxName), Migrate: strings.Repeat("m", delta.MaxMethod),
	}
}

func TestAppRoundTrip(t *testing.T) {
	for name, want := range map[string]delta.App{"full": fullApp(), "small": {App: [32]byte{1}}} {
		raw, err := delta.EncodeApp(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := delta.DecodeApp(raw)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestAppRefuses(t *testing.T) {
	raw, err := delta.EncodeApp(delta.App{App: [32]byte{1}, Migrate: "m"})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":          {nil, delta.ErrTruncated},
		"empty":            {[]byte{0xa0}, delta.ErrMalformed},
		"short app":        {edited(t, raw, edits{key(1): make([]byte, 31)}), delta.ErrMalformed},
		"short code":       {edited(t, raw, edits{key(2): make([]byte, 33)}), delta.ErrMalformed},
		"empty package":    {edited(t, raw, edits{key(3): ""}), delta.ErrNotCanonical},
		"long version":     {edited(t, raw, edits{key(4): strings.Repeat("v", 257)}), delta.ErrTooLarge},
		"long migration":   {edited(t, raw, edits{key(5): strings.Repeat("v", 257)}), delta.ErrTooLarge},
		"method as number": {edited(t, raw, edits{key(5): 7}), delta.ErrMalformed},
		"trailing":         {append(bytes.Clone(raw), 0), delta.ErrTrailing},
	} {
		if _, err := delta.DecodeApp(row.raw); !errors.Is(err, row.want) || !errors.Is(err, delta.ErrPayload) {
			t.Errorf("%s: got %v, want ErrPayload and %v", name, err, row.want)
		}
	}
	if _, err := delta.DecodeApp(edited(t, raw, edits{key(6): 1})); !errors.Is(err, delta.ErrUpgrade) || errors.Is(err, delta.ErrPayload) {
		t.Errorf("a field of later: got %v, want ErrUpgrade alone", err)
	}
	for name, change := range map[string]func(a *delta.App){
		"package": func(a *delta.App) { a.Package += "x" }, "version": func(a *delta.App) { a.Version = "\xff" },
		"migration": func(a *delta.App) { a.Migrate += "x" },
	} {
		a := fullApp()
		change(&a)
		if _, err := delta.EncodeApp(a); !errors.Is(err, delta.ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeApp(f *testing.F) {
	raw, err := delta.EncodeApp(fullApp())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := delta.DecodeApp(raw)
		if err != nil {
			return
		}
		if again, err := delta.EncodeApp(a); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x is written again as %x, %v", raw, again, err)
		}
	})
}
