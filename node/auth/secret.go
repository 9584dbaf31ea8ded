package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// SecretSize is the length of the signing secret in bytes.
const SecretSize = 32

// maxSmallFile bounds what is read from a secret or token file.
const maxSmallFile = 16 << 10

// Secret signs tokens. The zero value is refused by New; it never prints.
type Secret struct {
	key [SecretSize]byte
}

// NewSecret draws a secret from the operating system's random source.
func NewSecret() Secret {
	var s Secret
	_, _ = rand.Read(s.key[:]) // never fails since Go 1.24; it aborts the process instead
	return s
}

// SecretFromBytes makes a secret of known bytes.
func SecretFromBytes(key [SecretSize]byte) Secret { return Secret{key: key} }

// String hides the secret.
func (Secret) String() string { return "auth.Secret(hidden)" }

// GoString hides the secret.
func (Secret) GoString() string { return "auth.Secret(hidden)" }

func (s Secret) isZero() bool { return s.key == [SecretSize]byte{} }

// LoadSecret reads the secret from path (base64url text), or draws one and
// writes it there with mode 0600. It is an error when others can read the
// file, or when it holds anything else: a secret is never replaced silently,
// since that would end every token.
func LoadSecret(path string) (Secret, error) {
	text, err := readPrivate(path)
	switch {
	case err == nil:
		return parseSecret(path, text)
	case !errors.Is(err, fs.ErrNotExist):
		return Secret{}, err
	}
	s := NewSecret()
	text = base64.RawURLEncoding.EncodeToString(s.key[:]) + "\n"
	if err := writePrivate(path, text, false); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was faster: use its secret
			if text, err = readPrivate(path); err == nil {
				return parseSecret(path, text)
			}
		}
		return Secret{}, err
	}
	return s, nil
}

func parseSecret(path, text string) (Secret, error) {
	var s Secret
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != SecretSize {
		return Secret{}, fmt.Errorf("auth secret %s: not %d bytes of base64url; restore it, or remove it to make a new one (ends all tokens)", path, SecretSize)
	}
	copy(s.key[:], raw)
	if s.isZero() {
		return Secret{}, fmt.Errorf("auth secret %s: all zero; remove it to make a new one (ends all tokens)", path)
	}
	return s, nil
}

// readPrivate reads a small file that only its owner may read.
func readPrivate(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	// Windows has no such bits; its files inherit the directory's list.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("auth: %s can be read by others (mode %04o): run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSmallFile))
	if err != nil {
		return "", fmt.Errorf("auth: read %s: %w", path, err)
	}
	return string(raw), nil
}

// writePrivate writes a file of mode 0600 that is there whole or not at all.
// Without replace an existing file is kept and the error is fs.ErrExist.
func writePrivate(path, text string, replace bool) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when it was renamed
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("auth: write %s: %w", path, err)
	}
	if replace {
		err = os.Rename(f.Name(), path)
	} else {
		err = os.Link(f.Name(), path) // unlike rename it refuses to replace
	}
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	return syncDir(dir)
}

// syncDir makes a new name in dir survive a power cut.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be flushed there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	defer d.Close() //nolint:errcheck // nothing was written
	if err := d.Sync(); err != nil {
		return fmt.Errorf("auth: sync %s: %w", dir, err)
	}
	return nil
}
