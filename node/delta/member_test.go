package delta_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
)

func fullAdmission() delta.Member {
	return delta.Member{Admit: &delta.Admit{
		Key: [32]byte{1}, Seal: [32]byte{2}, Role: 255,
		Invitation: bytes.Repeat([]byte{3}, delta.MaxInvitation), Request: bytes.Repeat([]byte{4}, delta.MaxRequest),
	}}
}

func revocation() delta.Member { return delta.Member{Revoke: &[32]byte{5}} }

func TestMemberRoundTrip(t *testing.T) {
	for name, want := range map[string]delta.Member{"admission": fullAdmission(), "revocation": revocation()} {
		raw, err := delta.EncodeMember(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := delta.DecodeMember(raw)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestMemberRefuses(t *testing.T) {
	admission := func(e edits) edits {
		inner := map[any]any{key(1): make([]byte, 32), key(2): make([]byte, 32), key(3): 2, key(4): []byte("i"), key(5): []byte("r")}
		for k, v := range e {
			if inner[k] = v; v == nil {
				delete(inner, k)
			}
		}
		return edits{key(1): inner}
	}
	empty := []byte{0xa0}
	for name, row := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":           {nil, delta.ErrTruncated},
		"no change":         {empty, delta.ErrMalformed},
		"two changes":       {edited(t, edited(t, empty, admission(nil)), edits{key(2): make([]byte, 32)}), delta.ErrMalformed},
		"short id":          {edited(t, empty, edits{key(2): make([]byte, 31)}), delta.ErrMalformed},
		"empty id":          {edited(t, empty, edits{key(2): []byte{}}), delta.ErrMalformed},
		"short key":         {edited(t, empty, admission(edits{key(1): make([]byte, 31)})), delta.ErrMalformed},
		"long sealing key":  {edited(t, empty, admission(edits{key(2): make([]byte, 33)})), delta.ErrMalformed},
		"no role":           {edited(t, empty, admission(edits{key(3): nil})), delta.ErrMalformed},
		"role of 256":       {edited(t, empty, admission(edits{key(3): 256})), delta.ErrNotCanonical},
		"long invitation":   {edited(t, empty, admission(edits{key(4): make([]byte, delta.MaxInvitation+1)})), delta.ErrTooLarge},
		"long request":      {edited(t, empty, admission(edits{key(5): make([]byte, delta.MaxRequest+1)})), delta.ErrTooLarge},
		"request left out":  {edited(t, empty, admission(edits{key(5): nil})), delta.ErrNotCanonical},
		"request as number": {edited(t, empty, admission(edits{key(5): 7})), delta.ErrMalformed},
		"trailing":          {append(edited(t, empty, admission(nil)), 0), delta.ErrTrailing},
	} {
		if _, err := delta.DecodeMember(row.raw); !errors.Is(err, row.want) || !errors.Is(err, delta.ErrPayload) {
			t.Errorf("%s: got %v, want ErrPayload and %v", name, err, row.want)
		}
	}
	for name, raw := range map[string][]byte{
		"a change of later": edited(t, empty, edits{key(3): 1}),
		"a field of later":  edited(t, empty, admission(edits{key(6): 1})),
	} {
		if _, err := delta.DecodeMember(raw); !errors.Is(err, delta.ErrUpgrade) || errors.Is(err, delta.ErrPayload) {
			t.Errorf("%s: got %v, want ErrUpgrade alone", name, err)
		}
	}
	for name, m := range map[string]delta.Member{
		"none": {}, "both": {Admit: &delta.Admit{Role: 1}, Revoke: &[32]byte{}}, "no role": {Admit: &delta.Admit{}},
		"large": {Admit: &delta.Admit{Role: 1, Request: make([]byte, delta.MaxRequest+1)}},
	} {
		if _, err := delta.EncodeMember(m); !errors.Is(err, delta.ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeMember(f *testing.F) {
	for _, m := range []delta.Member{fullAdmission(), revocation()} {
		raw, err := delta.EncodeMember(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := delta.DecodeMember(raw)
		if err != nil {
			return
		}
		if again, err := delta.EncodeMember(m); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x is written again as %x, %v", raw, again, err)
		}
	})
}
