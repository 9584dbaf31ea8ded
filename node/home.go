package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	dirPerm  os.FileMode = 0o700
	filePerm os.FileMode = 0o600

	// DefaultName is the node's name when none is given.
	DefaultName = "default"
)

// Home is the directory DIR/NAME in which a node keeps everything it has. The
// value is only a path; nothing need exist.
type Home struct{ dir string }

// HomeAt names the home of a node below a base directory. A name is one plain
// path element.
func HomeAt(base, name string) (Home, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, "-") {
		return Home{}, fmt.Errorf("%q can not be a node's name: it names a directory below %s", name, base)
	}
	full, err := filepath.Abs(base)
	if err != nil {
		return Home{}, fmt.Errorf("find the home directory: %w", err)
	}
	return Home{dir: filepath.Join(full, name)}, nil
}

// Dir is the absolute path of the directory.
func (h Home) Dir() string { return h.dir }

// Name is the node's name.
func (h Home) Name() string { return filepath.Base(h.dir) }

// ConfigFile is the path of config.toml.
func (h Home) ConfigFile() string { return filepath.Join(h.dir, "config.toml") }

// APIAddrFile holds the addresses of the API while a node runs, one a line.
func (h Home) APIAddrFile() string { return filepath.Join(h.dir, "api.addr") }

// P2PAddrFile holds the peer addresses while a node runs, one a line.
func (h Home) P2PAddrFile() string { return filepath.Join(h.dir, "p2p.addr") }

// TokenFile holds the token of this machine's command line.
func (h Home) TokenFile() string { return filepath.Join(h.dir, "token") }

// PeerKeyFile holds the libp2p key.
func (h Home) PeerKeyFile() string { return filepath.Join(h.dir, "keys", "peer.key") }

// AuthKeyFile holds the secret that signs tokens.
func (h Home) AuthKeyFile() string { return filepath.Join(h.dir, "keys", "auth.key") }

// StoreDir holds the database.
func (h Home) StoreDir() string { return filepath.Join(h.dir, "db") }

// BlobsDir holds the blobs.
func (h Home) BlobsDir() string { return filepath.Join(h.dir, "blobs") }

// CacheDir holds compiled applications; it may be deleted at any time.
func (h Home) CacheDir() string { return filepath.Join(h.dir, "cache", "wasm") }

// PeerBookFile has the peers that this node was connected to, so that it finds them
// again without help. It names no context.
func (h Home) PeerBookFile() string { return filepath.Join(h.dir, "peers") }

func (h Home) lockFile() string { return filepath.Join(h.dir, "lock") }

// Initialised reports whether `node init` was here.
func (h Home) Initialised() bool {
	_, err := os.Stat(h.ConfigFile())
	return err == nil
}

// create makes the directory, private to its owner also when it was there.
func (h Home) create() error {
	for _, dir := range []string{h.dir, filepath.Dir(h.PeerKeyFile())} {
		if err := os.MkdirAll(dir, dirPerm); err != nil {
			return fmt.Errorf("create the node's home: %w", err)
		}
		if err := os.Chmod(dir, dirPerm); err != nil {
			return fmt.Errorf("make the node's home private: %w", err)
		}
	}
	return nil
}

// InUseError says that another process has the home.
type InUseError struct {
	Dir string
	PID int // 0 when it did not say
}

// Error names the process.
func (e *InUseError) Error() string {
	if e.PID == 0 {
		return e.Dir + " is used by another process"
	}
	return fmt.Sprintf("%s is used by another process: pid %d", e.Dir, e.PID)
}

// lockPatience is how long Lock tries: longer than Running holds the lock to
// look, too short for a person to notice.
const (
	lockPatience = 150 * time.Millisecond
	lockRetry    = 5 * time.Millisecond
)

// Lock takes the home for this process, until the lock is released or the
// process ends in whatever way. The error is an *InUseError when another has it.
func (h Home) Lock(ctx context.Context) (*Lock, error) {
	if err := h.forgetAddrs(ctx); err != nil {
		return nil, err
	}
	file := h.flock(os.O_CREATE | os.O_RDWR)
	trying, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	ok, err := file.TryLockContext(trying, lockRetry)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("lock the node's home: %w", err)
	}
	if !ok {
		return nil, h.inUse(ctx)
	}
	// The pid is for people, so failing to write it is no error: the lock itself
	// is the operating system's, and on some a locked file can not be written.
	_ = os.WriteFile(h.lockFile(), []byte(strconv.Itoa(os.Getpid())+"\n"), filePerm)
	return &Lock{file: file}, nil
}

// forgetAddrs removes what a killed node left, under a shared lock: so there is
// no moment in which the home is locked and has addresses of somebody else, to
// whom a client would then send its token.
func (h Home) forgetAddrs(ctx context.Context) error {
	file := h.flock(os.O_CREATE | os.O_RDWR)
	ok, err := file.TryRLock()
	if err != nil {
		return fmt.Errorf("lock the node's home: %w", err)
	}
	if !ok {
		return h.inUse(ctx)
	}
	return errors.Join(h.removeAddrs(), file.Unlock())
}

// inUse names who has the home. One that has only just taken it did not write
// its pid yet, so this looks again for a moment.
func (h Home) inUse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for {
		if pid := h.holder(); pid != 0 || ctx.Err() != nil {
			return &InUseError{Dir: h.dir, PID: pid}
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
		}
	}
}

func (h Home) flock(flag int) *flock.Flock {
	return flock.New(h.lockFile(), flock.SetFlag(flag), flock.SetPermissions(filePerm))
}

func (h Home) holder() int {
	text, err := os.ReadFile(h.lockFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// Lock is the hold on a home.
type Lock struct{ file *flock.Flock }

// Release gives the home back.
func (l *Lock) Release() error {
	if err := l.file.Unlock(); err != nil {
		return fmt.Errorf("unlock the node's home: %w", err)
	}
	return nil
}

// Running reports whether a process has the home now, and which.
func (h Home) Running() (pid int, running bool) {
	if _, err := os.Stat(h.lockFile()); err != nil {
		return 0, false
	}
	file := h.flock(os.O_RDWR)
	ok, err := file.TryRLock()
	if err != nil {
		return 0, false
	}
	if ok {
		_ = file.Unlock() // nothing was changed; closing the file frees it anyway
		return 0, false
	}
	return h.holder(), true
}

// APIAddrs are the addresses at which the node that has the home answers, or
// none while no node runs: what a killed node left is not believed.
func (h Home) APIAddrs() []string { return h.addrs(h.APIAddrFile()) }

// P2PAddrs are the addresses at which other nodes reach it, or none.
func (h Home) P2PAddrs() []string { return h.addrs(h.P2PAddrFile()) }

func (h Home) addrs(file string) []string {
	if _, running := h.Running(); !running {
		return nil
	}
	// Read after the lock was seen: the node that has it removed those of others.
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// Token is the local token, or "" when there is none. The caller sends it to
// nobody but an address of APIAddrs (R25).
func (h Home) Token() string {
	text, err := os.ReadFile(h.TokenFile())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (h Home) removeAddrs() error {
	var errs []error
	for _, file := range []string{h.APIAddrFile(), h.P2PAddrFile()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func writeLines(path string, lines []string) error {
	return writeWhole(path, []byte(strings.Join(lines, "\n")+"\n"), filePerm)
}

// Erase deletes what a node has in its home; the lock of a running node refuses
// it. What is not the node's stays.
func (h Home) Erase(ctx context.Context) error {
	if _, err := os.Stat(h.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := h.Lock(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range []string{
		h.ConfigFile(), h.APIAddrFile(), h.P2PAddrFile(), h.TokenFile(), h.PeerBookFile(), filepath.Dir(h.PeerKeyFile()),
		h.StoreDir(), h.StoreDir() + ".anchor", h.StoreDir() + ".lock", h.BlobsDir(), filepath.Dir(h.CacheDir()),
	} {
		if err := os.RemoveAll(path); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, lock.Release())...)
}
