package appdev

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// watchEvery is how often Watch looks.
const watchEvery = 500 * time.Millisecond

// Watch builds, and builds again whenever a file of the project changes, until the
// context ends, which is no error. Each build's outcome is handed to each, which
// ends watching by an error.
func Watch(ctx context.Context, cfg Config, each func(*Result, error) error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := "nothing was seen yet"
	for {
		if now := look(cfg.Dir); now != last {
			last = now // what changes from here on is seen the next time
			result, err := Build(ctx, cfg)
			if ctx.Err() != nil {
				return nil
			}
			if err := each(result, err); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look is a word for the files of a project as they are: what Build itself makes
// is not among them. A file that cannot be seen is not there.
func look(dir string) string {
	var b strings.Builder
	_ = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		name, _ := filepath.Rel(dir, file)
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." {
			return fs.SkipDir // the SDK is ours
		}
		if info, err := d.Info(); err == nil && !d.IsDir() && !isMade(name) {
			_, _ = fmt.Fprintln(&b, name, info.Size(), info.ModTime().UnixNano()) // a Builder does not fail
		}
		return nil
	})
	return b.String()
}
