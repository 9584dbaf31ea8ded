package main

import (
	"bytes"
	"testing"

	"mero/node/sdk/sdktest"
)

func TestOne(t *testing.T) {
	net := sdktest.New[Files](t, 1, nil)
	ann := net.Replica(0)
	content := bytes.Repeat([]byte("0123456789"), 200_000) // more than one chunk
	var file File
	ann.Must(func(f *Files) (err error) {
		file, err = f.Put("digits.txt", content, nil)
		return err
	})
	if got, ok := net.Blob(file.Blob); !ok || !bytes.Equal(got, content) || file.Size != uint64(len(content)) {
		t.Errorf("the blob has %d bytes, %v", len(got), ok)
	}
	ann.View(func(f *Files) {
		for _, test := range []struct {
			from, most int
			want       []byte
		}{
			{0, 4, content[:4]},
			{1_999_998, 10, []byte("89")},
			{2_000_000, 10, nil},
			{3_000_000, 10, nil},
			{5, 2_000_000, content[5 : 5+maxRead]},
		} {
			got, err := f.Read("digits.txt", test.from, test.most)
			if err != nil || !bytes.Equal(got, test.want) {
				t.Errorf("%d bytes from %d on are %d bytes, %v; want %d", test.most, test.from, len(got), err, len(test.want))
			}
		}
		if _, err := f.Read("digits.txt", -1, 1); err == nil {
			t.Error("a negative position was taken")
		}
		if _, err := f.Get("other"); err == nil {
			t.Error("there is a file that nobody put there")
		}
	})
}

// TestMany: two drop files of one name at the same time, and both versions stay.
func TestMany(t *testing.T) {
	net := sdktest.New[Files](t, 3, nil)
	for i, text := range []string{"from ann", "from ben"} {
		net.Replica(i).Must(func(f *Files) error {
			_, err := f.Put("note", []byte(text), nil)
			return err
		})
	}
	net.Settle()
	for i := range 3 {
		net.Replica(i).View(func(f *Files) {
			if got := f.History("note"); len(got) != 2 {
				t.Errorf("replica %d has the versions %+v", i, got)
			}
			file, err := f.Get("note")
			if last := f.History("note")[1]; err != nil || file != last {
				t.Errorf("replica %d has %+v, %v; the last version is %+v", i, file, err, last)
			}
		})
	}
	net.Replica(2).Must(func(f *Files) error { return f.Remove("note") })
	net.Settle()
	net.Replica(0).View(func(f *Files) {
		if got := f.List(nil, 10); len(got) != 0 {
			t.Errorf("removed, and listed: %+v", got)
		}
		if got := f.History("note"); len(got) != 2 {
			t.Errorf("the versions are gone: %+v", got)
		}
	})
}
