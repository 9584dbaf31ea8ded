package keyfile

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"mero/node"
	"mero/node/ident"
)

// An export is a JSON file that a person can look at: whose key it is, and how
// the sealed part is opened with the passphrase. Everything outside the sealed
// part is authenticated with it.
type exportFile struct {
	Mero    int             `json:"meroIdentity"` // version of this form
	Public  ident.PublicKey `json:"publicKey"`
	Context string          `json:"contextId,omitempty"`
	Created time.Time       `json:"createdAt"`
	KDF     kdf             `json:"kdf"`
	Sealed  []byte          `json:"sealed"` // nonce, then XChaCha20-Poly1305 of the two seeds
}

// kdf is argon2id with its cost.
type kdf struct {
	Name   string `json:"name"`
	Salt   []byte `json:"salt"`
	Time   uint32 `json:"time"`
	Memory uint32 `json:"memoryKiB"`
	Lanes  uint8  `json:"lanes"`
}

const (
	exportVersion = 1
	kdfName       = "argon2id"
	// What RFC 9106 recommends where memory is scarce: 64 MiB, three passes.
	kdfTime   = 3
	kdfMemory = 64 << 10
	kdfLanes  = 4
	saltSize  = 16
	// What a file may ask of this machine.
	maxKDFTime   = 64
	maxKDFMemory = 1 << 20
)

var (
	errPassphrase = errors.New("the passphrase is wrong, or the file was changed")
	errNotExport  = errors.New("the file is not an exported identity")
)

func (k kdf) key(passphrase []byte) []byte {
	return argon2.IDKey(passphrase, k.Salt, k.Time, k.Memory, k.Lanes, chacha20poly1305.KeySize)
}

func (k kdf) check() error {
	if k.Name != kdfName || len(k.Salt) < saltSize || k.Time < 1 || k.Time > maxKDFTime ||
		k.Memory < 8*uint32(k.Lanes) || k.Memory > maxKDFMemory || k.Lanes < 1 {
		return fmt.Errorf("%w: its key derivation is not one that this program does", errNotExport)
	}
	return nil
}

// bound is what the seal vouches for besides the seeds.
func (f exportFile) bound() ([]byte, error) {
	f.Sealed = nil
	return json.Marshal(f)
}

// Seal makes the file.
func Seal(secret node.Secret, passphrase []byte) ([]byte, error) {
	f := exportFile{
		Mero: exportVersion, Public: secret.Public(), Created: secret.Created.UTC(),
		KDF: kdf{Name: kdfName, Salt: make([]byte, saltSize), Time: kdfTime, Memory: kdfMemory, Lanes: kdfLanes},
	}
	if !secret.Context.IsZero() {
		f.Context = secret.Context.String()
	}
	_, _ = rand.Read(f.KDF.Salt) // never fails
	aead, err := chacha20poly1305.NewX(f.KDF.key(passphrase))
	if err != nil {
		return nil, fmt.Errorf("seal the identity: %w", err)
	}
	bound, err := f.bound()
	if err != nil {
		return nil, fmt.Errorf("seal the identity: %w", err)
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+2*32+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	f.Sealed = aead.Seal(nonce, nonce, append(secret.Key[:], secret.Seal[:]...), bound)
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("seal the identity: %w", err)
	}
	return append(text, '\n'), nil
}

// Open reads it. An error is about the passphrase, or about the file.
func Open(text, passphrase []byte) (node.Secret, error) {
	var f exportFile
	if err := json.Unmarshal(text, &f); err != nil {
		return node.Secret{}, fmt.Errorf("%w: %w", errNotExport, err)
	}
	if f.Mero != exportVersion {
		return node.Secret{}, fmt.Errorf("%w of version %d, the one that this program reads", errNotExport, exportVersion)
	}
	if err := f.KDF.check(); err != nil {
		return node.Secret{}, err
	}
	aead, err := chacha20poly1305.NewX(f.KDF.key(passphrase))
	if err != nil {
		return node.Secret{}, fmt.Errorf("open the identity: %w", err)
	}
	bound, err := f.bound()
	if err != nil {
		return node.Secret{}, fmt.Errorf("open the identity: %w", err)
	}
	if len(f.Sealed) < aead.NonceSize() {
		return node.Secret{}, fmt.Errorf("%w: it is cut off", errNotExport)
	}
	seeds, err := aead.Open(nil, f.Sealed[:aead.NonceSize()], f.Sealed[aead.NonceSize():], bound)
	if err != nil || len(seeds) != 2*32 {
		return node.Secret{}, errPassphrase
	}
	secret := node.Secret{Key: [32]byte(seeds[:32]), Seal: [32]byte(seeds[32:]), Created: f.Created}
	if f.Context != "" {
		if secret.Context, err = ident.ParseContextID(f.Context); err != nil {
			return node.Secret{}, fmt.Errorf("%w: %w", errNotExport, err)
		}
	}
	if secret.Public() != f.Public {
		return node.Secret{}, errPassphrase
	}
	return secret, nil
}
