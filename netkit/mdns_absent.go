//go:build !mdns

package netkit

import (
	"context"
	"errors"
)

// discoverLocal: this build was made without the mDNS library.
func (n *Net) discoverLocal(context.Context) error {
	return errors.New("network.mdns: this build has no mDNS (build it with -tags mdns)")
}
