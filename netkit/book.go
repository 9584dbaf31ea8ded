package netkit

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"mero/node/task"
)

const (
	// maxBook is how many peers the book has at most.
	maxBook = 1024
	// maxBookLine is how long a line of the book may be; what is longer is not ours.
	maxBookLine = 16 << 10
	// bookAge is after how long without being seen a peer is left out.
	bookAge = 30 * 24 * time.Hour
	// bookEvery is how long what has changed in the book may stay unwritten, and
	// bookSoon how long what a node that is killed must not forget: whom it reached
	// and whom it keeps, and where.
	bookEvery = time.Minute
	bookSoon  = time.Second
	// bookEnough is with how many connections a node stops to dial peers of its
	// book, bookDials how many it dials at once.
	bookEnough = 8
	bookDials  = 8
)

// book remembers peers over restarts: a node that was part of the network finds
// it again without any help. It never says what they have in common.
type book struct {
	file  string        // "": kept in memory alone
	keeps chan struct{} // somebody is kept from now on

	mu    sync.Mutex
	peers map[peer.ID]*entry
	dirty bool
}

// entry is a line of the file.
type entry struct {
	Peer    peer.ID  `json:"peer"`
	Addrs   []string `json:"addrs"`             // without /p2p/PEERID; the best first
	Seen    int64    `json:"seen"`              // when it was connected last, Unix seconds
	Kept    bool     `json:"kept,omitempty"`    // it was one to stay connected to
	Dialled bool     `json:"dialled,omitempty"` // this node has reached it at the first address
}

// better orders entries: whom to dial first, and whom to keep when there are too many.
func better(a, b *entry) int {
	rank := func(e *entry) int {
		switch {
		case e.Kept && e.Dialled:
			return 0
		case e.Kept:
			return 1
		case e.Dialled:
			return 2
		}
		return 3
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Seen, a.Seen), cmp.Compare(a.Peer, b.Peer))
}

// openBook reads the book. A line that is damaged is left out: the book is a help,
// and makes itself again. A file that can not be read is an error.
func openBook(file string) (*book, error) {
	b := &book{file: file, keeps: make(chan struct{}, 1), peers: make(map[peer.ID]*entry)}
	if file == "" {
		return b, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	b.read(f)
	return b, nil
}

func (b *book) read(r io.Reader) {
	lines := bufio.NewScanner(io.LimitReader(r, maxBook*maxBookLine))
	lines.Buffer(make([]byte, 0, 4096), maxBookLine)
	oldest := time.Now().Add(-bookAge).Unix()
	for lines.Scan() && len(b.peers) < maxBook {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Peer == "" || e.Seen < oldest {
			continue
		}
		e.Seen = min(e.Seen, time.Now().Unix())
		e.Addrs = slices.DeleteFunc(e.Addrs[:min(len(e.Addrs), maxAddrs)], func(text string) bool {
			addr, err := ma.NewMultiaddr(text)
			return err != nil || transportOf(addr) == ""
		})
		if len(e.Addrs) > 0 {
			b.peers[e.Peer] = &e
		}
	}
}

// note writes a peer down that is connected now. It reports whether that must not be
// lost: strangers who came by themselves can wait, and come in any number.
func (b *book) note(e entry) (news bool) {
	if len(e.Addrs) == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.peers[e.Peer]
	if old != nil && old.Dialled && !e.Dialled {
		// Where it was reached is worth more than where it says it is.
		e.Dialled = true
		e.Addrs = append(slices.Clone(old.Addrs[:1]), slices.DeleteFunc(e.Addrs, func(a string) bool { return a == old.Addrs[0] })...)
	}
	e.Addrs = e.Addrs[:min(len(e.Addrs), maxAddrs)]
	news = (e.Kept || e.Dialled) && (old == nil || e.Kept && !old.Kept || e.Dialled && !old.Dialled ||
		slices.ContainsFunc(e.Addrs, func(a string) bool { return !slices.Contains(old.Addrs, a) }))
	b.peers[e.Peer] = &e
	b.dirty = true
	if len(b.peers) > maxBook {
		worst := &e
		for _, other := range b.peers {
			if better(worst, other) < 0 {
				worst = other
			}
		}
		delete(b.peers, worst.Peer)
	}
	return news
}

// addrs are the known addresses of a peer.
func (b *book) addrs(id peer.ID) []ma.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.peers[id]
	if e == nil {
		return nil
	}
	var addrs []ma.Multiaddr
	for _, text := range e.Addrs {
		if addr, err := ma.NewMultiaddr(text); err == nil {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// best are all peers, the best first.
func (b *book) best() []peer.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []peer.ID
	for _, e := range b.sorted() {
		ids = append(ids, e.Peer)
	}
	return ids
}

func (b *book) sorted() []*entry {
	var all []*entry
	for _, e := range b.peers {
		all = append(all, e)
	}
	slices.SortFunc(all, better)
	return all
}

// save writes the book, whole or not at all, if it has changed.
func (b *book) save() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty || b.file == "" {
		return nil
	}
	var text bytes.Buffer
	for _, e := range b.sorted() {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	if err := replaceFile(b.file, text.Bytes()); err != nil {
		return err
	}
	b.dirty = false
	return nil
}

// replaceFile writes a file of mode 0600, so that after a crash it is the old or
// the new one.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// keepBook writes down who is connected, until ctx ends.
func (n *Net) keepBook(ctx context.Context) error {
	identified, err := n.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		return err
	}
	defer identified.Close() //nolint:errcheck // it never fails
	defer n.saveBook()
	again := time.NewTicker(bookEvery)
	defer again.Stop()
	soon := time.NewTimer(bookSoon)
	defer soon.Stop()
	waits := true // the timer runs
	note := func(id peer.ID) {
		if n.noteBook(id) && !waits {
			soon.Reset(bookSoon)
			waits = true
		}
	}
	for {
		select {
		case got := <-identified.Out():
			if e, ok := got.(event.EvtPeerIdentificationCompleted); ok {
				note(e.Peer)
			}
		case <-n.book.keeps:
			for _, id := range n.host.Network().Peers() {
				note(id)
			}
		case <-soon.C:
			waits = false
			n.writeBook()
		case <-again.C:
			n.saveBook()
		case <-ctx.Done():
			return nil
		}
	}
}

func (n *Net) saveBook() {
	for _, id := range n.host.Network().Peers() {
		n.noteBook(id) // with what it has told since, and as seen now
	}
	n.writeBook()
}

func (n *Net) writeBook() {
	if err := n.book.save(); err != nil {
		n.log.Warn().Err(err).Msg("peer book is not written")
	}
}

// noteBook writes a peer down, if it is a node and is connected directly. It reports
// whether that must not be lost.
func (n *Net) noteBook(id peer.ID) (news bool) {
	if n.host.Network().Connectedness(id) != network.Connected || n.standings.refuses(id) {
		return false
	}
	if speaks, err := n.host.Peerstore().SupportsProtocols(id, gossipProtocol); err != nil || len(speaks) == 0 {
		return false // something else that speaks libp2p
	}
	e := entry{Peer: id, Seen: time.Now().Unix()}
	n.mu.Lock()
	_, e.Kept = n.kept[id]
	n.mu.Unlock()
	e.Kept = e.Kept || n.isEntry(id)
	var addrs []ma.Multiaddr
	for _, c := range n.host.Network().ConnsToPeer(id) {
		if c.Stat().Direction == network.DirOutbound && !c.Stat().Limited {
			addrs, e.Dialled = append(addrs, c.RemoteMultiaddr()), true
		}
	}
	told := n.host.Peerstore().Addrs(id)
	slices.SortStableFunc(told, func(a, b ma.Multiaddr) int { return cmp.Compare(relayLast(a), relayLast(b)) })
	for _, addr := range append(addrs, told...) {
		if text := addr.String(); transportOf(addr) != "" && len(text) <= 512 && !slices.Contains(e.Addrs, text) {
			e.Addrs = append(e.Addrs, text)
		}
	}
	return n.book.note(e)
}

func relayLast(addr ma.Multiaddr) int {
	if transportOf(addr) == "relay" {
		return 1
	}
	return 0
}

// useBook dials peers of the book at the start, and whenever this node has lost
// everybody, until ctx ends.
func (n *Net) useBook(ctx context.Context) {
	changed, stop := n.Changes()
	defer stop()
	for failures := 0; ; {
		n.dialBook(ctx)
		if len(n.host.Network().Peers()) > 0 {
			failures = 0
		}
		for len(n.host.Network().Peers()) > 0 {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
		pause := time.NewTimer(task.Backoff(failures+1, n.cfg.DialRetryMin, n.cfg.DialRetryMax))
		failures++
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// dialBook dials the best of the book until there are enough connections.
func (n *Net) dialBook(ctx context.Context) {
	var dials errgroup.Group
	dials.SetLimit(bookDials)
	defer func() { _ = dials.Wait() }() // dials return no error
	for _, id := range n.book.best() {
		if ctx.Err() != nil || len(n.host.Network().Peers()) >= bookEnough {
			return
		}
		if n.isConnected(id) || n.isKept(id) || id == n.host.ID() {
			continue // or it is dialled anyway
		}
		dials.Go(func() error {
			if err := n.dial(ctx, peer.AddrInfo{ID: id, Addrs: n.book.addrs(id)}); err != nil && ctx.Err() == nil {
				n.log.Debug().Stringer("peer", id).Str("reason", reason(err)).Msg("peer of the book does not answer")
			}
			return nil
		})
	}
}
