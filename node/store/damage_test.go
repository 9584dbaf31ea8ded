package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mero/node/store"
)

// damages is how many flips and truncations TestDamage tries (F4).
const damages = 200

// image is the files of a store at one moment, as a crash would leave them, with
// what it acknowledged until then.
type image struct {
	dir      string
	replicas []*replica
}

// makeImage writes until there are tables on several levels, and copies the files
// while the last steps are in a log only.
func makeImage(t *testing.T, clean bool) image {
	t.Helper()
	dir := filepath.Join(fastDir(t), "db")
	s := open(t, dir, noSync())
	im := image{dir: filepath.Join(fastDir(t), "db")}
	for i := range uint64(2) {
		im.replicas = append(im.replicas, newReplica(t, s, i))
	}
	for n := range 60 {
		for i, r := range im.replicas {
			r.commit(t, s, 5_000, r.set(fmt.Sprint("k", n%20), pattern(100_000, uint64(n+i))), r.set(fmt.Sprint("s", n), pattern(50, 1)))
		}
	}
	if clean {
		must(t, s.Close())
	} else {
		for n := range 20 {
			for _, r := range im.replicas {
				r.commit(t, s, 500, r.set(fmt.Sprint("t", n), pattern(100, 1)))
			}
		}
	}
	copyStore(t, dir, im.dir)
	return im
}

// files are the image's files, those that were written last more often.
func (im image) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(im.dir)
	must(t, err)
	files := []string{im.dir + ".anchor"}
	for _, e := range entries {
		path := filepath.Join(im.dir, e.Name())
		fi, err := os.Stat(path)
		must(t, err)
		if fi.Size() == 0 || strings.HasSuffix(path, "LOCK") {
			continue
		}
		weight := 1
		switch filepath.Ext(path) {
		case ".mem":
			weight = 10
		case ".sst":
			weight = 2
		}
		for range weight {
			files = append(files, path)
		}
	}
	return files
}

// damageOne flips a bit of a file or cuts it, and says what it did.
func damageOne(t *testing.T, rng *rand.Rand, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	used := len(b)
	for used > 1 && b[used-1] == 0 {
		used--
	}
	at := rng.IntN(min(used+100, len(b)))
	if rng.IntN(3) == 0 {
		must(t, os.Truncate(path, int64(at)))
		return fmt.Sprintf("%s cut at %d of %d", filepath.Base(path), at, used)
	}
	bit := byte(1) << rng.IntN(8)
	b[at] ^= bit
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(b[at:at+1], int64(at))
	must(t, err)
	must(t, f.Close())
	return fmt.Sprintf("%s bit %#x at %d of %d", filepath.Base(path), bit, at, used)
}

func TestDamage(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	images := []image{makeImage(t, false), makeImage(t, true)}
	for i, im := range images {
		s, err := store.Open(copyOf(t, im), noSync(), quiet())
		if err != nil {
			t.Fatalf("image %d is damaged by itself: %v", i, err)
		}
		for _, r := range im.replicas {
			r.check(t, s)
		}
		must(t, s.Close())
	}
	detected, harmless := map[string]int{}, map[string]int{}
	for n := range damages / scale {
		im := images[n%len(images)]
		dir := copyOf(t, im)
		files := im.files(t)
		file := files[rng.IntN(len(files))]
		what := damageOne(t, rng, dir+strings.TrimPrefix(file, im.dir))
		kind := filepath.Ext(file) + " " + strings.Fields(what)[1]
		s, err := store.Open(dir, noSync(), quiet())
		var damaged *store.DamagedError
		switch {
		case errors.As(err, &damaged):
			detected[kind]++
		case err != nil:
			t.Errorf("%s: not said to be damage: %v", what, err)
		default:
			harmless[kind]++
			for _, r := range im.replicas {
				if err := r.diff(s); err != nil {
					t.Errorf("%s: served: %v", what, err)
				}
			}
			must(t, s.Close())
		}
		must(t, os.RemoveAll(filepath.Dir(dir)))
	}
	t.Logf("detected %v, harmless %v", detected, harmless)
}

func copyOf(t *testing.T, im image) string {
	t.Helper()
	dir := filepath.Join(fastDir(t), "db")
	copyStore(t, im.dir, dir)
	return dir
}

// newest is the last file of the image with a suffix.
func newest(t *testing.T, dir, suffix string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	must(t, err)
	if len(files) == 0 {
		t.Fatalf("no %s in %s", suffix, dir)
	}
	return files[len(files)-1]
}

func TestAcceptLoss(t *testing.T) {
	im := makeImage(t, false)
	dir := copyOf(t, im)
	log := newest(t, dir, ".mem")
	b, err := os.ReadFile(log)
	must(t, err)
	used := len(strings.TrimRight(string(b), "\x00"))
	must(t, os.Truncate(log, int64(used*9/10)))

	_, err = store.Open(dir, noSync(), quiet())
	var damaged *store.DamagedError
	if !errors.As(err, &damaged) || damaged.Lost == 0 || damaged.File != log {
		t.Fatalf("got %v, want loss in %s", err, log)
	}
	anchor, err := os.ReadFile(dir + ".anchor")
	must(t, err)
	cfg := noSync()
	cfg.AcceptLoss = true
	s := open(t, dir, cfg)
	if s.Lost() != damaged.Lost {
		t.Errorf("lost %d, said %d", s.Lost(), damaged.Lost)
	}
	v, err := s.View(im.replicas[0].id)
	must(t, err)
	rec := v.Context()
	v.Close()
	if want := im.replicas[0].rec.Step; rec.Step >= want || rec.Step+damaged.Lost < want {
		t.Errorf("step %d, was %d, lost %d of two contexts", rec.Step, want, damaged.Lost)
	}
	must(t, s.Commit(t.Context(), &store.Step{Context: &rec}))
	must(t, s.Close())
	// Whoever opened it may have ended before the writers were renewed, or before
	// the anchor was lowered.
	s = open(t, dir, noSync())
	if s.Lost() != damaged.Lost {
		t.Errorf("the next start says that %d are lost, want %d", s.Lost(), damaged.Lost)
	}
	must(t, s.Close())
	must(t, os.WriteFile(dir+".anchor", anchor, 0o600))
	s = open(t, dir, cfg)
	if s.Lost() == 0 {
		t.Error("the loss is forgotten")
	}
	for range 2 {
		must(t, s.SettleLoss(t.Context()))
	}
	if s.Lost() != 0 {
		t.Error("the loss is reported although it is settled")
	}
	must(t, s.Close())
	s = open(t, dir, noSync())
	if s.Lost() != 0 {
		t.Error("the loss is reported for ever")
	}
}

// TestLossInTheMiddle damages a log that another one follows: the later one must
// not be put on top of the gap.
func TestLossInTheMiddle(t *testing.T) {
	im := makeImage(t, false)
	dir := copyOf(t, im)
	first := newest(t, dir, ".mem")
	// The next log, made by another process that opened the store after a crash.
	copied := copyOf(t, image{dir: dir})
	s := open(t, copied, noSync())
	r := clone(im.replicas[0])
	r.commit(t, s, 100, r.set("later", []byte("x")))
	second := newest(t, copied, ".mem")
	copyFile(t, second, filepath.Join(dir, filepath.Base(second)))
	copyFile(t, copied+".anchor", dir+".anchor")
	must(t, s.Close())

	whole := open(t, copyOf(t, image{dir: dir}), noSync())
	r.check(t, whole)
	must(t, whole.Close())

	b, err := os.ReadFile(first)
	must(t, err)
	used := len(strings.TrimRight(string(b), "\x00"))
	b[used*8/10] ^= 1
	must(t, os.WriteFile(first, b, 0o600))
	_, err = store.Open(dir, noSync(), quiet())
	var damaged *store.DamagedError
	if !errors.As(err, &damaged) || damaged.File != first {
		t.Fatalf("got %v, want damage in %s", err, first)
	}
	cfg := noSync()
	cfg.AcceptLoss = true
	s = open(t, dir, cfg)
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()
	if _, ok, err := v.Get([]byte("later")); ok || err != nil {
		t.Errorf("what was written on top of the gap is served: %v, %v", ok, err)
	}
	if s.Lost() == 0 {
		t.Error("no loss is reported")
	}
}

// TestCrashDebris opens stores with the files that crashes leave.
func TestCrashDebris(t *testing.T) {
	im := makeImage(t, false)
	for name, debris := range map[string]struct {
		file    string
		content []byte
	}{
		"a log without a size":        {"00099.mem", nil},
		"a log without a header":      {"00099.mem", make([]byte, 1<<20)},
		"a table without a size":      {"000099.sst", nil},
		"half a table":                {"000099.sst", pattern(5000, 1)},
		"a value log without a size":  {"000099.vlog", nil},
		"a value log of nonsense":     {"000099.vlog", pattern(5000, 1)},
		"a manifest being rewritten":  {"MANIFEST-REWRITE", pattern(50, 1)},
		"a registry being rewritten":  {"REWRITE-KEYREGISTRY", pattern(5, 1)},
		"discard statistics nonsense": {"DISCARD", pattern(500, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, im)
			must(t, os.WriteFile(filepath.Join(dir, debris.file), debris.content, 0o600))
			s := open(t, dir, noSync())
			for _, r := range im.replicas {
				r.check(t, s)
			}
		})
	}
	t.Run("no anchor", func(t *testing.T) {
		dir := copyOf(t, im)
		must(t, os.Remove(dir+".anchor"))
		s := open(t, dir, noSync())
		im.replicas[0].check(t, s)
	})
	t.Run("no directory", func(t *testing.T) {
		dir := copyOf(t, im)
		must(t, os.RemoveAll(dir))
		_, err := store.Open(dir, noSync(), quiet())
		var damaged *store.DamagedError
		if !errors.As(err, &damaged) {
			t.Errorf("got %v, want damage", err)
		}
	})
}

// TestDamageIsFoundLater opens a store so large that Open does not read its old
// tables, and has Run find the damage.
func TestDamageIsFoundLater(t *testing.T) {
	dir := copyOf(t, makeImage(t, true))
	table := newest(t, dir, ".sst")
	b, err := os.ReadFile(table)
	must(t, err)
	b[len(b)/3] ^= 1
	must(t, os.WriteFile(table, b, 0o600))
	s, err := store.OpenUnverified(dir, noSync(), quiet())
	must(t, err)
	defer func() { must(t, s.Close()) }()
	must(t, s.Writable())
	stop := run(t, s)
	defer stop()
	var damaged *store.DamagedError
	for begun := time.Now(); !errors.As(s.Writable(), &damaged); {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the damage was not found")
		}
		<-time.After(5 * time.Millisecond)
	}
	if damaged.File != table {
		t.Errorf("found damage in %s, made it in %s", damaged.File, table)
	}
	if err := s.PutApp(t.Context(), store.App{}); !errors.As(err, &damaged) {
		t.Errorf("write on a damaged store: %v", err)
	}
}

// TestDamageChangesNothing has Open refuse a damaged table and leave all files as
// they are, for whoever wants to save something.
func TestDamageChangesNothing(t *testing.T) {
	im := makeImage(t, false)
	dir := copyOf(t, im)
	table := newest(t, dir, ".sst")
	b, err := os.ReadFile(table)
	must(t, err)
	b[len(b)/3] ^= 1
	must(t, os.WriteFile(table, b, 0o600))
	before := listing(t, dir)
	_, err = store.Open(dir, noSync(), quiet())
	var damaged *store.DamagedError
	if !errors.As(err, &damaged) || damaged.File != table || damaged.Hint() == "" {
		t.Fatalf("got %v, want damage in %s", err, table)
	}
	if got := listing(t, dir); got != before {
		t.Errorf("files were changed:\n%s\nto\n%s", before, got)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	must(t, filepath.Walk(dir, func(path string, fi fs.FileInfo, err error) error {
		all = append(all, fmt.Sprint(path, fi.Size(), fi.ModTime()))
		return err
	}))
	return strings.Join(all, "\n")
}
