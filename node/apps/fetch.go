package apps

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"mero/node/store"
)

// fetchTimeout bounds a download of at most MaxSize.
const fetchTimeout = 5 * time.Minute

// InstallFile installs from a file on this machine; its source becomes a file
// URL. An unreadable path is ErrFetch.
func (l *Library) InstallFile(ctx context.Context, path string, src Source) (store.App, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return store.App{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return store.App{}, fmt.Errorf("%w: application file not found: %s", ErrFetch, full)
	case err != nil:
		return store.App{}, fmt.Errorf("%w: %w", ErrFetch, err)
	case !info.Mode().IsRegular():
		return store.App{}, fmt.Errorf("%w: %s is not a file", ErrFetch, full)
	}
	f, err := os.Open(full)
	if err != nil {
		return store.App{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	defer f.Close() //nolint:errcheck // read only
	src.URL = (&url.URL{Scheme: "file", Path: filepath.ToSlash(full)}).String()
	return l.Install(ctx, f, src)
}

// InstallURL downloads over http or https and installs. What cannot be had is
// ErrFetch.
func (l *Library) InstallURL(ctx context.Context, address string, src Source) (store.App, error) {
	u, err := url.Parse(address)
	if err != nil {
		return store.App{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return store.App{}, fmt.Errorf("%w: %q is not an http or https address", ErrFetch, address)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return store.App{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	// Who may log or list applications need not know the secrets in an address.
	public := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return store.App{}, fmt.Errorf("%w: %s: %w", ErrFetch, public, cause(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return store.App{}, fmt.Errorf("%w: %s answered %s", ErrFetch, public, resp.Status)
	}
	src.URL = public
	return l.Install(ctx, resp.Body, src)
}

// cause is what went wrong, without the address that net/http puts before it.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
