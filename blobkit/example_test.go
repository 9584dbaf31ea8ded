package blobkit_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
)

func Example() {
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	store, err := blobkit.Open(dir, blobkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}, blobkit.DefaultConfig())
	if err != nil {
		panic(err)
	}
	defer store.Close()

	info, err := store.Put(ctx, strings.NewReader("hello, blob"), blobkit.PutOptions{MaxSize: 1 << 20})
	if err != nil {
		panic(err)
	}
	fmt.Println(info.ID, info.Size, info.MIME)

	r, _, err := store.Get(ctx, info.ID)
	if err != nil {
		panic(err)
	}
	defer r.Close()
	if _, err := r.Seek(7, io.SeekStart); err != nil {
		panic(err)
	}
	rest, err := io.ReadAll(r)
	fmt.Println(string(rest), err)
	// Output:
	// 8zBFu1krsPwjL31iadVSQx9cbVaHNnjaVv7c1SLSfLHR 11 text/plain; charset=utf-8
	// blob <nil>
}

func ExampleStore_Create() {
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := blobkit.Open(dir, blobkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}, blobkit.DefaultConfig())
	if err != nil {
		panic(err)
	}
	defer store.Close()

	// A writer is for content that arrives in pieces.
	w, err := store.Create(blobkit.PutOptions{})
	if err != nil {
		panic(err)
	}
	defer w.Abort() // does nothing after Commit
	for i := range 3 {
		fmt.Fprintf(w, "line %d\n", i)
	}
	info, err := w.Commit(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(info.Size)
	// Output: 21
}
