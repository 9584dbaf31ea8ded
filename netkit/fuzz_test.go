package netkit_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"mero/netkit"
)

// FuzzFrames reads frames out of anything, however it comes in pieces: what is read
// is what was there, it is within the limit, and takes memory only for what came.
func FuzzFrames(f *testing.F) {
	frame := func(n uint32, content string) string {
		return string(binary.BigEndian.AppendUint32(nil, n)) + content
	}
	for _, seed := range []string{
		"", "\x00", frame(0, ""), frame(3, "abc"), frame(3, "ab"), frame(3, "abc") + frame(0, "") + frame(1, "x"),
		frame(1<<20, "x"), frame(1<<20+1, "x"), frame(1<<32-1, ""), frame(70000, string(make([]byte, 70000))),
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, slow bool) {
		const limit = 1 << 20
		var r io.Reader = bytes.NewReader(data)
		if slow {
			r = iotest.OneByteReader(r)
		}
		s := netkit.ReadFrames(r, netkit.Protocol{MaxFrame: limit})
		var again []byte
		for {
			got, err := s.Read()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, netkit.ErrFrameTooLarge) {
					t.Errorf("error %v", err)
				}
				if errors.Is(err, io.EOF) && len(again) != len(data) {
					t.Errorf("the end after %d of %d bytes", len(again), len(data))
				}
				break
			}
			if len(got) > limit || cap(got) > 2*len(data)+128<<10 {
				t.Errorf("a frame of %d bytes in %d of memory from %d", len(got), cap(got), len(data))
			}
			again = append(binary.BigEndian.AppendUint32(again, uint32(len(got))), got...)
		}
		if !bytes.HasPrefix(data, again) {
			t.Errorf("read %q from %q", again, data)
		}
	})
}

// FuzzBook opens a book of anything.
func FuzzBook(f *testing.F) {
	const good = `{"peer":"12D3KooWMFCMhZ9u91Z7TUKeQUtEuXkFSApBzBpCYfTh98yc7hZr","addrs":["/ip4/10.0.0.1/tcp/1"],"seen":9999999999}`
	for _, seed := range []string{"", "\n", good, good + "\n" + good, "{}", `{"peer":""}`, `{"peer":"x","addrs":[""],"seen":-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "book")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		peers, err := netkit.FillBook(file, nil)
		if err != nil || len(peers) > netkit.MaxBook {
			t.Errorf("%d peers, %v", len(peers), err)
		}
	})
}

// FuzzAddrPeer parses addresses that people and peers write.
func FuzzAddrPeer(f *testing.F) {
	for _, seed := range []string{"", "/", "/ip4/10.0.0.1/tcp/1/p2p/12D3KooWMFCMhZ9u91Z7TUKeQUtEuXkFSApBzBpCYfTh98yc7hZr", "/p2p-circuit/p2p/x", "/ip4/1/tcp"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := netkit.AddrPeer(text); (err == nil) == (id == "") {
			t.Errorf("%q: %q, %v", text, id, err)
		}
	})
}
