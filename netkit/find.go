package netkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// foundTTL is how long addresses that others told of a peer are remembered.
	foundTTL = time.Hour
	// lookUpLimit bounds one search for the addresses of a peer.
	lookUpLimit = 20 * time.Second
	// maxLookUps is how many such searches run at once: those who are kept and can
	// not be reached must not keep Kademlia busy.
	maxLookUps = 8
	// maxFound is the most providers that one search gives.
	maxFound = 256
)

// Connect connects to one of the peers of the addresses, each a multiaddress with
// /p2p/PEERID, and says to which: all are dialled at once, and the first that
// answers counts. The addresses are remembered for an hour. Errors: those of
// AddrPeer, ErrUnreachable, ErrClosed, that of ctx.
func (n *Net) Connect(ctx context.Context, addrs []string) (connected string, err error) {
	infos, err := parseAddrs(addrs)
	if err != nil {
		return "", err
	}
	infos = slices.DeleteFunc(infos, func(i peer.AddrInfo) bool { return i.ID == n.host.ID() })
	if len(infos) == 0 {
		return "", fmt.Errorf("%w: no address of another node", ErrUnreachable)
	}
	type outcome struct {
		id  peer.ID
		err error
	}
	results := make(chan outcome, len(infos))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, info := range infos {
		n.host.Peerstore().AddAddrs(info.ID, info.Addrs, foundTTL)
		go func() { results <- outcome{info.ID, n.reach(ctx, info.ID)} }()
	}
	var failed []error
	for range infos { // all are waited for: no goroutine outlives the call
		result := <-results
		switch {
		case result.err != nil:
			failed = append(failed, result.err)
		case connected == "":
			connected = result.id.String()
			cancel()
		}
	}
	if connected != "" {
		return connected, nil
	}
	return "", errors.Join(failed...)
}

// AddrPeer is the peer of a multiaddress that ends in /p2p/PEERID, or says what is
// wrong with it: others, or people, have written it.
func AddrPeer(addr string) (string, error) {
	infos, err := parseAddrs([]string{addr})
	if err != nil {
		return "", err
	}
	return infos[0].ID.String(), nil
}

// parseAddrs parses multiaddresses and gathers those of each peer.
func parseAddrs(texts []string) ([]peer.AddrInfo, error) {
	var addrs []ma.Multiaddr
	for _, text := range texts {
		addr, err := parseAddr(text)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return peer.AddrInfosFromP2pAddrs(addrs...)
}

func parseAddr(text string) (ma.Multiaddr, error) {
	addr, err := ma.NewMultiaddr(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no multiaddress: %w", text, err)
	}
	where, id := peer.SplitAddr(addr)
	if id == "" {
		return nil, fmt.Errorf("%q does not end in /p2p/PEERID", text)
	}
	if transportOf(where) == "" {
		return nil, fmt.Errorf("%q has neither /tcp/PORT nor /udp/PORT/quic-v1", text)
	}
	return addr, nil
}

// Provide tells Kademlia that this node has to do with a key. Others find it by
// FindProviders for about a day; the caller provides it again long before that.
// It fails while this node knows no other, and waits for Run.
func (n *Net) Provide(ctx context.Context, key [32]byte) error {
	if err := n.isReady(ctx); err != nil {
		return err
	}
	if _, err := routing.NewRoutingDiscovery(n.dht).Advertise(ctx, string(key[:])); err != nil {
		return fmt.Errorf("provide: %w", err)
	}
	return nil
}

// FindProviders looks for other nodes that provide a key, at most limit (0: 256),
// until ctx ends. Their addresses are remembered for an hour, so Open reaches
// them. Anybody can claim to provide anything.
func (n *Net) FindProviders(ctx context.Context, key [32]byte, limit int) ([]string, error) {
	if err := n.isReady(ctx); err != nil {
		return nil, err
	}
	if limit <= 0 || limit > maxFound {
		limit = maxFound
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found, err := routing.NewRoutingDiscovery(n.dht).FindPeers(ctx, string(key[:]), discovery.Limit(limit+1)) // it may find this node
	if err != nil {
		return nil, fmt.Errorf("find providers: %w", err)
	}
	var peers []string
	for info := range found { // closed when it has found all, or ctx ends
		if info.ID == n.host.ID() || info.ID == "" || len(peers) == limit || slices.Contains(peers, info.ID.String()) {
			continue
		}
		n.remember(info)
		peers = append(peers, info.ID.String())
	}
	return peers, nil
}

// remember keeps addresses that somebody told of a peer, a bounded number.
func (n *Net) remember(info peer.AddrInfo) {
	n.host.Peerstore().AddAddrs(info.ID, info.Addrs[:min(len(info.Addrs), maxAddrs)], foundTTL)
}

// lookUp asks Kademlia for addresses of a peer other than the known ones.
func (n *Net) lookUp(ctx context.Context, known peer.AddrInfo) (peer.AddrInfo, bool) {
	select {
	case <-n.ready:
	default:
		return known, false
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpLimit)
	defer cancel()
	select {
	case n.lookUps <- struct{}{}:
		defer func() { <-n.lookUps }()
	case <-ctx.Done():
		return known, false
	}
	found, err := n.dht.FindPeer(ctx, known.ID)
	if err != nil {
		return known, false
	}
	fresh := slices.DeleteFunc(slices.Clone(found.Addrs), func(addr ma.Multiaddr) bool {
		return slices.ContainsFunc(known.Addrs, addr.Equal)
	})
	if len(fresh) == 0 && n.host.Network().Connectedness(known.ID) != network.Connected {
		return known, false
	}
	n.remember(peer.AddrInfo{ID: found.ID, Addrs: fresh})
	return peer.AddrInfo{ID: known.ID, Addrs: found.Addrs}, true
}

// isReady waits until Run has started.
func (n *Net) isReady(ctx context.Context) error {
	select {
	case <-n.ready:
	case <-n.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if n.isClosing() {
		return ErrClosed
	}
	return nil
}
