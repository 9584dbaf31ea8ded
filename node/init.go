package node

import "context"

// Made is what Init found or made.
type Made struct {
	PeerID string
	// Created is false when the node was there already.
	Created bool
}

// Init creates a node in its home: its keys, and a configuration file in which
// the chosen settings are active. A node that is there stays as it is, unless
// force deletes it first; that is refused with an *InUseError while it runs. The
// file is written last, so an init that was cut off is simply done again.
func Init(ctx context.Context, home Home, chosen []Setting, force bool) (Made, error) {
	text, err := NewFile(chosen)
	if err != nil {
		return Made{}, err
	}
	// The settings are judged before anything is deleted or made.
	if _, err := loadBytes(home.ConfigFile(), text, nil, nil); err != nil {
		return Made{}, err
	}
	if force {
		if err := home.Erase(ctx); err != nil {
			return Made{}, err
		}
	}
	if err := home.create(); err != nil {
		return Made{}, err
	}
	key, _, err := home.loadKeys()
	if err != nil {
		return Made{}, err
	}
	made := Made{PeerID: key.PeerID()}
	if home.Initialised() {
		return made, nil
	}
	made.Created = true
	return made, writeWhole(home.ConfigFile(), text, filePerm)
}
