package blobtest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"mero/blobkit"
)

// Open opens the store in dir; called with the same dir again, after a Close, it
// finds what was stored before. It fails the test if it can not.
type Open func(t testing.TB, dir string) *blobkit.Store

// Run runs the whole suite, each part on a fresh store.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"Sizes", testSizes},
		{"Types", testTypes},
		{"Ranges", testRanges},
		{"Again", testAgain},
		{"Shared", testShared},
		{"Repeated", testRepeated},
		{"Refused", testRefused},
		{"BrokenSource", testBrokenSource},
		{"Missing", testMissing},
		{"List", testList},
		{"Writer", testWriter},
		{"DeleteWhileReading", testDeleteWhileReading},
		{"Reopen", testReopen},
		{"Closed", testClosed},
		{"Concurrent", testConcurrent},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open) })
	}
}

// Content is n bytes that look random and are the same for the same seed.
func Content(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// Name computes a blob's id by the rule of R22, apart from the store.
func Name(content []byte) blobkit.ID {
	var ids []byte
	for chunk := range slices.Chunk(content, 1<<20) {
		id := sha256.Sum256(chunk)
		ids = append(ids, id[:]...)
	}
	return sha256.Sum256(ids)
}

func put(t *testing.T, s *blobkit.Store, content []byte) blobkit.Info {
	t.Helper()
	info, err := s.Put(t.Context(), bytes.NewReader(content), blobkit.PutOptions{})
	if err != nil {
		t.Fatalf("put %d bytes: %v", len(content), err)
	}
	return info
}

// holds fails the test unless the store gives back content under its name.
func holds(t *testing.T, s *blobkit.Store, content []byte) {
	t.Helper()
	got, err := s.Bytes(t.Context(), Name(content), int64(len(content)))
	if err != nil {
		t.Fatalf("read %d bytes: %v", len(content), err)
	}
	if !bytes.Equal(got, content) {
		t.Fatalf("%d bytes came back as %d other ones", len(content), len(got))
	}
}

// empty fails the test if the store lists anything.
func empty(t *testing.T, s *blobkit.Store) {
	t.Helper()
	for info, err := range s.List() {
		t.Fatalf("the store holds %v (%v), want nothing", info, err)
	}
}

func testSizes(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	for _, n := range []int{0, 1, 511, 513, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 17} {
		content := Content(byte(n), n)
		info := put(t, s, content)
		want := blobkit.Info{
			ID: Name(content), Size: int64(n), Hash: sha256.Sum256(content), MIME: info.MIME, Created: info.Created,
		}
		if diff := cmp.Diff(want, info); diff != "" {
			t.Errorf("put of %d bytes (-want +got):\n%s", n, diff)
		}
		if info.Created.IsZero() {
			t.Errorf("put of %d bytes: no time", n)
		}
		stat, err := s.Stat(info.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(info, stat); diff != "" {
			t.Errorf("stat of %d bytes (-put +stat):\n%s", n, diff)
		}
		r, got, err := s.Get(t.Context(), info.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(info, got); diff != "" {
			t.Errorf("get of %d bytes (-put +get):\n%s", n, diff)
		}
		if err := iotest.TestReader(readerOnly{r}, content); n < 1024 && err != nil {
			t.Errorf("reader of %d bytes: %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		holds(t, s, content)
	}
	if _, err := s.Bytes(t.Context(), Name(Content(1, 1)), 0); !errors.Is(err, blobkit.ErrTooLarge) {
		t.Errorf("a byte within a limit of 0: %v, want ErrTooLarge", err)
	}
}

// readerOnly shows iotest what a blob reader has: no io.ReaderAt.
type readerOnly struct{ io.ReadSeeker }

func testTypes(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	for _, tt := range []struct{ content, want string }{
		{"", "text/plain; charset=utf-8"},
		{"hello", "text/plain; charset=utf-8"},
		{"\x00asm\x01\x00\x00\x00", "application/wasm"},
		{"%PDF-1.7", "application/pdf"},
		{"\x89PNG\x0d\x0a\x1a\x0a", "image/png"},
		{"\x01\x02\x03\xff", "application/octet-stream"},
		{strings.Repeat(" ", 510) + "<html>", "text/plain; charset=utf-8"}, // the tag begins inside, and ends outside, of the 512 bytes looked at
	} {
		info, err := s.Put(t.Context(), iotest.OneByteReader(strings.NewReader(tt.content)), blobkit.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if info.MIME != tt.want {
			t.Errorf("type of %.20q is %q, want %q", tt.content, info.MIME, tt.want)
		}
	}
}

func testRanges(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	content := Content(7, 2<<20+100)
	put(t, s, content)
	r, _, err := s.Get(t.Context(), Name(content))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	size := int64(len(content))
	for _, tt := range []struct {
		offset int64
		whence int
		at, n  int64
	}{
		{0, io.SeekStart, 0, 10},
		{1<<20 - 5, io.SeekStart, 1<<20 - 5, 10}, // across a border
		{-100, io.SeekEnd, size - 100, 100},
		{-50, io.SeekCurrent, size - 50, 20},
		{5, io.SeekStart, 5, 2 << 20},
		{size + 9, io.SeekStart, size + 9, 0},
	} {
		at, err := r.Seek(tt.offset, tt.whence)
		if err != nil || at != tt.at {
			t.Fatalf("seek %d from %d: %d, %v, want %d", tt.offset, tt.whence, at, err, tt.at)
		}
		got, err := io.ReadAll(io.LimitReader(r, tt.n))
		if err != nil {
			t.Fatal(err)
		}
		if want := content[min(tt.at, size):min(tt.at+tt.n, size)]; !bytes.Equal(got, want) {
			t.Errorf("%d bytes at %d differ", tt.n, tt.at)
		}
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v, want io.EOF", err)
	}
	for _, bad := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {0, 9}} {
		if _, err := r.Seek(bad.offset, bad.whence); err == nil {
			t.Errorf("seek %d from %d succeeded", bad.offset, bad.whence)
		}
	}
	if _, err := r.Seek(100, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var rest bytes.Buffer
	if n, err := io.Copy(&rest, r); err != nil || n != size-100 || !bytes.Equal(rest.Bytes(), content[100:]) {
		t.Errorf("copy of the rest: %d bytes, %v", n, err)
	}
}

func testAgain(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	content := Content(3, 1<<20+5)
	first := put(t, s, content)
	if diff := cmp.Diff(first, put(t, s, content)); diff != "" {
		t.Errorf("second put (-first +second):\n%s", diff)
	}
	if err := s.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
	if _, err := s.Stat(first.ID); !errors.Is(err, blobkit.ErrNotFound) {
		t.Errorf("stat after delete: %v, want ErrNotFound", err)
	}
	put(t, s, content)
	holds(t, s, content)
}

func testShared(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	x, y, z := Content(1, 1<<20), Content(2, 1<<20), Content(3, 1<<20)
	a, b := slices.Concat(x, y), slices.Concat(y, z, x)
	put(t, s, a)
	put(t, s, b)
	if err := s.Delete(t.Context(), Name(a)); err != nil {
		t.Fatal(err)
	}
	holds(t, s, b)
	put(t, s, a)
	if err := s.Delete(t.Context(), Name(b)); err != nil {
		t.Fatal(err)
	}
	holds(t, s, a)
}

func testRepeated(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	zeros := make([]byte, 9<<20+1)
	put(t, s, zeros)
	holds(t, s, zeros)
	put(t, s, zeros[:2<<20])
	if err := s.Delete(t.Context(), Name(zeros)); err != nil {
		t.Fatal(err)
	}
	holds(t, s, zeros[:2<<20])
	if err := s.Delete(t.Context(), Name(zeros[:2<<20])); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
}

func testRefused(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	content := Content(4, 2<<20)
	size, short, long := int64(len(content)), int64(len(content)-1), int64(len(content)+1)
	hash, id := sha256.Sum256(content), Name(content)
	for _, tt := range []struct {
		name string
		opts blobkit.PutOptions
		want error
	}{
		{"over the limit", blobkit.PutOptions{MaxSize: short}, blobkit.ErrTooLarge},
		{"announced over the limit", blobkit.PutOptions{MaxSize: short, Size: &size}, blobkit.ErrTooLarge},
		{"longer than announced", blobkit.PutOptions{Size: &short}, blobkit.ErrMismatch},
		{"shorter than announced", blobkit.PutOptions{Size: &long}, blobkit.ErrMismatch},
		{"other hash", blobkit.PutOptions{Hash: &[32]byte{}}, blobkit.ErrMismatch},
		{"other id", blobkit.PutOptions{ID: &blobkit.ID{}}, blobkit.ErrMismatch},
	} {
		_, err := s.Put(t.Context(), bytes.NewReader(content), tt.opts)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		empty(t, s)
	}
	_, err := s.Put(t.Context(), bytes.NewReader(content), blobkit.PutOptions{MaxSize: size, Size: &size, Hash: &hash, ID: &id})
	if err != nil {
		t.Errorf("as announced: %v", err)
	}
	holds(t, s, content)
}

func testBrokenSource(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	broken := errors.New("broken")
	half := io.MultiReader(bytes.NewReader(Content(5, 3<<20/2)), iotest.ErrReader(broken))
	if _, err := s.Put(t.Context(), half, blobkit.PutOptions{}); !errors.Is(err, broken) {
		t.Errorf("source that breaks: %v, want its error", err)
	}
	ctx, cancel := cancelled(t)
	defer cancel()
	if _, err := s.Put(ctx, bytes.NewReader(Content(5, 10)), blobkit.PutOptions{}); !errors.Is(err, ctx.Err()) {
		t.Errorf("put with a cancelled context: %v", err)
	}
	empty(t, s)
}

func testMissing(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	id := Name([]byte("absent"))
	_, _, getErr := s.Get(t.Context(), id)
	_, bytesErr := s.Bytes(t.Context(), id, 1<<20)
	_, statErr := s.Stat(id)
	for name, err := range map[string]error{
		"get": getErr, "bytes": bytesErr, "stat": statErr, "delete": s.Delete(t.Context(), id),
	} {
		if !errors.Is(err, blobkit.ErrNotFound) {
			t.Errorf("%s of a blob that is not there: %v, want ErrNotFound", name, err)
		}
	}
}

func testList(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	var want []blobkit.Info
	for i := range 20 {
		want = append(want, put(t, s, Content(byte(i), 100+i)))
	}
	slices.SortFunc(want, func(a, b blobkit.Info) int { return a.ID.Compare(b.ID) })
	var got []blobkit.Info
	for info, err := range s.List() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, info)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	for _, err := range s.List() {
		if err != nil {
			t.Fatal(err)
		}
		break // leaving early must be allowed
	}
}

func testWriter(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	content := Content(6, 2<<20+333)
	w, err := s.Create(blobkit.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for piece := range slices.Chunk(content, 300_007) {
		if n, err := w.Write(piece); err != nil || n != len(piece) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	empty(t, s)
	info, err := w.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.ID != Name(content) {
		t.Errorf("id is %s, want %s", info.ID, Name(content))
	}
	w.Abort()
	holds(t, s, content)
	if _, err := w.Commit(t.Context()); !errors.Is(err, blobkit.ErrClosed) {
		t.Errorf("second commit: %v, want ErrClosed", err)
	}
	if _, err := w.Write([]byte{1}); !errors.Is(err, blobkit.ErrClosed) {
		t.Errorf("write after commit: %v, want ErrClosed", err)
	}
	if err := s.Delete(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}

	aborted, err := s.Create(blobkit.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aborted.Write(content); err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	empty(t, s)

	limited, err := s.Create(blobkit.PutOptions{MaxSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := limited.Write(content[:11]); !errors.Is(err, blobkit.ErrTooLarge) {
		t.Errorf("write over the limit: %v, want ErrTooLarge", err)
	}
	if _, err := limited.Commit(t.Context()); !errors.Is(err, blobkit.ErrTooLarge) {
		t.Errorf("commit over the limit: %v, want ErrTooLarge", err)
	}
	empty(t, s)
}

func testDeleteWhileReading(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	content := Content(8, 3<<20)
	info := put(t, s, content)
	r, _, err := s.Get(t.Context(), info.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("reader after delete: %d bytes, %v", len(got), err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, blobkit.ErrClosed) {
		t.Errorf("read after close: %v, want ErrClosed", err)
	}
	put(t, s, content)
	holds(t, s, content)
}

func testReopen(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	x, y := Content(1, 1<<20), Content(2, 1<<20)
	a, b := slices.Concat(x, y), slices.Concat(x, x, []byte("tail"))
	infoA, infoB := put(t, s, a), put(t, s, b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	for _, want := range []blobkit.Info{infoA, infoB} {
		got, err := s.Stat(want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after opening again (-want +got):\n%s", diff)
		}
	}
	if err := s.Delete(t.Context(), infoA.ID); err != nil {
		t.Fatal(err)
	}
	holds(t, s, b)
}

func testClosed(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	info := put(t, s, []byte("content"))
	w, err := s.Create(blobkit.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, commitErr := w.Commit(t.Context())
	_, putErr := s.Put(t.Context(), strings.NewReader("x"), blobkit.PutOptions{})
	_, _, getErr := s.Get(t.Context(), info.ID)
	for name, err := range map[string]error{
		"commit": commitErr, "put": putErr, "get": getErr, "delete": s.Delete(t.Context(), info.ID),
	} {
		if !errors.Is(err, blobkit.ErrClosed) {
			t.Errorf("%s on a closed store: %v, want ErrClosed", name, err)
		}
	}
}
