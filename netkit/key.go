package netkit

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Key is the node's network identity: an Ed25519 key, whose public half is the
// peer id. The zero value is no key.
type Key struct{ private crypto.PrivKey }

// PeerID is the peer id in its usual text form.
func (k Key) PeerID() string {
	id, err := peer.IDFromPrivateKey(k.private)
	if err != nil {
		return ""
	}
	return id.String()
}

// NewKey draws a key that is kept nowhere.
func NewKey() (Key, error) {
	private, _, err := crypto.GenerateEd25519Key(rand.Reader)
	return Key{private}, err
}

// LoadKey reads the key in path, or makes one there (mode 0600, its directory
// 0700, whole or absent whenever the machine stops). The form is libp2p's, so
// that its tools can read it. A file that is damaged or of another kind is an
// error that names it; it is never replaced, since a new key is a new peer.
func LoadKey(path string) (Key, error) {
	k, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(path)
	}
	return k, err
}

func readKey(path string) (Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("read peer key: %w", err)
	}
	k, err := parseKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("peer key %s: %w (restore it from a backup, or remove it to become a new peer)", path, err)
	}
	return k, nil
}

func parseKey(b []byte) (Key, error) {
	private, err := crypto.UnmarshalPrivateKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("damaged: %w", err)
	}
	raw, err := private.Raw()
	if err != nil || private.Type() != crypto.Ed25519 || len(raw) != ed25519.PrivateKeySize {
		return Key{}, fmt.Errorf("is a %s key, not an Ed25519 one", private.Type())
	}
	// The file holds the public half too; libp2p does not compare them.
	if !ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize]).Equal(ed25519.PrivateKey(raw)) {
		return Key{}, errors.New("damaged: its two halves do not belong together")
	}
	return Key{private}, nil
}

func createKey(path string) (Key, error) {
	k, err := NewKey()
	if err != nil {
		return Key{}, fmt.Errorf("create peer key: %w", err)
	}
	b, err := crypto.MarshalPrivateKey(k.private)
	if err != nil {
		return Key{}, fmt.Errorf("create peer key: %w", err)
	}
	err = writeKey(path, b)
	if errors.Is(err, fs.ErrExist) { // another process was faster: use its key
		return readKey(path)
	}
	if err != nil {
		return Key{}, fmt.Errorf("create peer key: %w", err)
	}
	return k, nil
}

// writeKey makes the file, whole. One that is there stays, and is fs.ErrExist:
// a node may use it already.
func writeKey(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".peer-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // the file has its own name then
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike rename it refuses to replace
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Some systems can not sync a directory; the key is then as durable as they are.
	_ = d.Sync()
	return d.Close()
}
