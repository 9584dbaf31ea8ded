package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"mero/blobkit"
)

// testConcurrent puts, reads and deletes blobs that share chunks, all at once. A
// blob is there whole or not at all, at every moment; and what is there at the
// end is readable.
func testConcurrent(t *testing.T, open Open) {
	const workers, rounds = 6, 25
	dir := t.TempDir()
	s := open(t, dir)
	chunks := [][]byte{Content(1, 1<<20), Content(2, 1<<20)}
	blobs := [][]byte{
		slices.Concat(chunks[0], chunks[1]),
		slices.Concat(chunks[1], chunks[0]),
		slices.Concat(chunks[0], []byte("tail")),
		slices.Concat(chunks[1], chunks[1], []byte("tail")),
		[]byte("tail"),
	}
	var group errgroup.Group
	for worker := range workers {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(worker), 1)) //nolint:gosec // it must be the same each time
			for range rounds {
				if err := disturb(t.Context(), s, blobs[random.IntN(len(blobs))], random.IntN(4)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	verify := func() (left int) {
		for info, err := range s.List() {
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(blobs, func(b []byte) bool { return Name(b) == info.ID })
			if i < 0 {
				t.Fatalf("blob %s was never put", info.ID)
			}
			holds(t, s, blobs[i])
			left++
		}
		return left
	}
	left := verify()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if again := verify(); again != left {
		t.Errorf("%d blobs after opening again, were %d", again, left)
	}
	for info, err := range s.List() {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), info.ID); err != nil {
			t.Fatal(err)
		}
	}
	empty(t, s)
	for _, b := range blobs {
		put(t, s, b)
		holds(t, s, b)
	}
}

// disturb does one thing to one blob, which others may do something to as well.
func disturb(ctx context.Context, s *blobkit.Store, content []byte, what int) error {
	id := Name(content)
	switch what {
	case 0:
		err := s.Delete(ctx, id)
		if errors.Is(err, blobkit.ErrNotFound) {
			return nil
		}
		return err
	case 1:
		// A put that fails must not take chunks from others.
		_, err := s.Put(ctx, bytes.NewReader(content), blobkit.PutOptions{Hash: &[32]byte{}})
		if !errors.Is(err, blobkit.ErrMismatch) {
			return errors.Join(errors.New("put with a wrong hash"), err)
		}
		return nil
	case 2:
		_, err := s.Put(ctx, bytes.NewReader(content), blobkit.PutOptions{ID: &id})
		if err != nil {
			return err
		}
		fallthrough
	default:
		r, _, err := s.Get(ctx, id)
		if errors.Is(err, blobkit.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		if err == nil && !bytes.Equal(got, content) {
			err = errors.New("other bytes came back")
		}
		return err
	}
}

// cancelled is a context that has ended.
func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}
