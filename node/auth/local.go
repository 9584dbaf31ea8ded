package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// LocalName is the name of the key behind a node's own token file.
const LocalName = "local"

// localRest is how much life the token of a token file must have to be kept.
const localRest = MaxTTL / 2

// LocalToken gives the admin token that the command line of this machine uses
// (R25) and makes sure that path holds it, 0600. The file's token is kept
// while it is good, so that it survives a restart; otherwise a new one is
// issued. The earlier ones of this name are revoked then, with all that was made
// with them, unless the file's was only near its end: those who work with
// tokens that it made have done nothing wrong. Call it at start, before requests
// are served.
func (i *Issuer) LocalToken(path string) (string, error) {
	known := false // the file holds a good token of the node's own
	text, err := readPrivate(path)
	if err == nil {
		token := strings.TrimSpace(text)
		id, err := i.Verify(token)
		known = err == nil && id.Name == LocalName && id.Scopes.Covers(Admin())
		if known && id.Expires.Sub(i.now()) > localRest {
			return token, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if !known {
		if err := i.revokeLocal(); err != nil {
			return "", err
		}
	}
	token, _, err := i.issue(Identity{}, LocalName, Admin(), MaxTTL)
	if err != nil {
		return "", err
	}
	if err := writePrivate(path, token+"\n", true); err != nil {
		return "", fmt.Errorf("local token: %w", err)
	}
	return token, nil
}

// revokeLocal ends tokens of files that were lost or replaced.
func (i *Issuer) revokeLocal() error {
	keys, err := i.Keys()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.Name == LocalName && key.Revoked.IsZero() && key.Expires.After(i.now().Add(-time.Second)) {
			if _, err := i.Revoke(key.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
