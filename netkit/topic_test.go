package netkit_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"mero/netkit"
)

// member is a node's part in the topic of a test.
type member struct {
	*netkit.Net
	*netkit.Topic
	stop func()
	deps netkit.Deps

	mu      sync.Mutex
	allowed map[string]bool // nil: everybody
	got     []string
	from    []string
}

func (m *member) allow(ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.allowed = make(map[string]bool)
	for _, id := range ids {
		m.allowed[id] = true
	}
}

func (m *member) received() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.got)
}

func (m *member) metric(t *testing.T, name string) float64 {
	t.Helper()
	return gather(t, registry(m.deps))[name]
}

// publish publishes; a failure ends the test.
func (m *member) publish(t *testing.T, text string) {
	t.Helper()
	if err := m.Publish(t.Context(), []byte(text)); err != nil {
		t.Fatalf("publish %.20q: %v", text, err)
	}
}

func (m *member) options(topic string) netkit.TopicOptions {
	return netkit.TopicOptions{
		Name: topic,
		Allow: func(id string) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.allowed == nil || m.allowed[id]
		},
		Check: func(_ string, data []byte) netkit.Verdict {
			switch {
			case bytes.HasPrefix(data, []byte("bad")):
				return netkit.Reject
			case bytes.HasPrefix(data, []byte("ignore")):
				return netkit.Ignore
			}
			return netkit.Accept
		},
		Receive: func(from string, data []byte) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.got, m.from = append(m.got, string(data)), append(m.from, from)
		},
	}
}

// newMember starts a node; with a topic it takes part in it.
func newMember(t *testing.T, topic string) *member {
	t.Helper()
	m := &member{deps: deps(t)}
	m.Net, m.stop = start(t, local(), m.deps)
	if topic != "" {
		m.join(t, topic)
	}
	return m
}

func (m *member) join(t *testing.T, topic string) {
	t.Helper()
	var err error
	if m.Topic, err = m.Join(m.options(topic)); err != nil {
		t.Fatal(err)
	}
}

func (m *member) connect(t *testing.T, to *member) {
	t.Helper()
	join(t, m.Net, to.Net)
}

// sees waits until a member knows that others take part.
func (m *member) sees(t *testing.T, others ...*member) {
	t.Helper()
	await(t, "the others are seen", func() bool {
		peers := m.Topic.Peers()
		for _, other := range others {
			if !slices.Contains(peers, other.PeerID()) {
				return false
			}
		}
		return true
	})
}

func (m *member) gets(t *testing.T, texts ...string) {
	t.Helper()
	await(t, fmt.Sprintf("%.60q come", texts), func() bool {
		got := m.received()
		for _, text := range texts {
			if !slices.Contains(got, text) {
				return false
			}
		}
		return true
	})
}

// TestTopic publishes the moment the other's subscription is known.
func TestTopic(t *testing.T) {
	a, b := newMember(t, "topic"), newMember(t, "topic")
	b.connect(t, a)
	b.sees(t, a)
	b.publish(t, "at once")
	big := strings.Repeat("x", netkit.MaxGossip)
	b.publish(t, big)
	a.gets(t, "at once", big)
	if err := b.Publish(t.Context(), make([]byte, netkit.MaxGossip+1)); !errors.Is(err, netkit.ErrTooLarge) {
		t.Errorf("a message over the limit: %v", err)
	}
	b.publish(t, "after")
	b.publish(t, "after")
	a.gets(t, "after")
	a.sees(t, b)
	a.publish(t, "back")
	b.gets(t, "back")
	if got := b.received(); len(got) != 1 {
		t.Errorf("b got %.60q, want only what others published", got)
	}
	if got := a.received(); len(got) != 3 {
		t.Errorf("a got %d messages, want 3, each once", len(got))
	}
	if a.from[0] != b.PeerID() {
		t.Errorf("from %s, want %s", a.from[0], b.PeerID())
	}
}

// TestTopicJoinedLater: a subscription that came before this node joined the topic
// is not lost, although it was not kept.
func TestTopicJoinedLater(t *testing.T) {
	a, b := newMember(t, "topic"), newMember(t, "")
	b.connect(t, a)
	// Once a message gets through on another topic, the first words are spoken.
	other := &member{Net: a.Net}
	other.join(t, "other")
	third := &member{Net: b.Net}
	third.join(t, "other")
	third.sees(t, other)
	b.join(t, "topic")
	b.sees(t, a)
	b.publish(t, "from b")
	a.gets(t, "from b")
	a.sees(t, b)
}

// TestTopicBeforeRun joins before Run.
func TestTopicBeforeRun(t *testing.T) {
	n, err := netkit.New(local(), deps(t))
	if err != nil {
		t.Fatal(err)
	}
	a := &member{Net: n}
	a.join(t, "topic")
	if err := a.Publish(t.Context(), []byte("x")); !errors.Is(err, netkit.ErrClosed) {
		t.Errorf("publish before Run: %v", err)
	}
	stop := run(t, n)
	b := newMember(t, "topic")
	b.connect(t, a)
	b.sees(t, a)
	b.publish(t, "hello")
	a.gets(t, "hello")
	stop()
	if err := a.Publish(t.Context(), []byte("x")); !errors.Is(err, netkit.ErrClosed) {
		t.Errorf("publish after Run: %v", err)
	}
	if peers := a.Topic.Peers(); peers != nil {
		t.Errorf("peers after Run: %v", peers)
	}
	a.Leave()
	if _, err := n.Join(a.options("topic")); !errors.Is(err, netkit.ErrClosed) {
		t.Errorf("join after Run: %v", err)
	}
}

// TestTopicAllow: who is not allowed gets nothing and is not heard; who is allowed
// later is at once.
func TestTopicAllow(t *testing.T) {
	a, b, c := newMember(t, "topic"), newMember(t, "topic"), newMember(t, "topic")
	a.allow(b.PeerID())
	b.allow(a.PeerID())
	for _, m := range []*member{b, c} {
		m.connect(t, a)
	}
	c.connect(t, b)
	c.sees(t, a, b) // c allows everybody
	a.sees(t, b)
	if peers := a.Topic.Peers(); len(peers) != 1 {
		t.Errorf("a has the peers %v, want b alone", peers)
	}
	c.publish(t, "from c")
	a.publish(t, "from a")
	b.gets(t, "from a")
	if got := append(a.received(), c.received()...); len(got) != 0 {
		t.Errorf("a and c got %q", got)
	}
	// What c said unheard gets through when b says it.
	b.publish(t, "from c")
	a.gets(t, "from c")
	if got := c.received(); len(got) != 0 {
		t.Errorf("c got %q", got)
	}

	a.allow(b.PeerID(), c.PeerID())
	a.Renew()
	a.publish(t, "now for c too")
	c.gets(t, "now for c too")
	c.publish(t, "c is heard")
	a.gets(t, "c is heard")
	await(t, "c is in the mesh of a", func() bool { return slices.Contains(a.Mesh("topic"), c.PeerID()) })
	b.publish(t, "b by a to c") // b still does not send to c
	c.gets(t, "b by a to c")

	a.allow(b.PeerID())
	a.Renew()
	a.publish(t, "no more for c")
	b.gets(t, "no more for c")
	await(t, "c is out of the mesh of a", func() bool { return !slices.Contains(a.Mesh("topic"), c.PeerID()) })
	b.publish(t, "b by a to nobody")
	a.gets(t, "b by a to nobody")
	a.publish(t, "last")
	b.gets(t, "last")
	if got := c.received(); slices.Contains(got, "no more for c") || slices.Contains(got, "b by a to nobody") || slices.Contains(got, "last") {
		t.Errorf("c, who is not allowed any more, got %q", got)
	}
	a.allow(b.PeerID(), c.PeerID())
	a.Renew()
	a.publish(t, "c is back")
	c.gets(t, "c is back")
	await(t, "c is in the mesh of a again", func() bool { return slices.Contains(a.Mesh("topic"), c.PeerID()) })
}

// TestTopicForwarding: in a line of three, the one in the middle forwards what it
// accepts and nothing else.
func TestTopicForwarding(t *testing.T) {
	a, b, c := newMember(t, "topic"), newMember(t, "topic"), newMember(t, "topic")
	a.connect(t, b)
	c.connect(t, b)
	a.sees(t, b)
	b.sees(t, a, c)
	await(t, "the mesh is there", func() bool { return len(b.Mesh("topic")) == 2 })
	for _, text := range []string{"good", "bad", "ignore me", "also good"} {
		a.publish(t, text)
	}
	c.gets(t, "good", "also good")
	if got := append(b.received(), c.received()...); slices.Contains(got, "bad") || slices.Contains(got, "ignore me") {
		t.Errorf("delivered: %q", got)
	}
}

func TestTopicLeave(t *testing.T) {
	a, b := newMember(t, "topic"), newMember(t, "topic")
	b.connect(t, a)
	b.sees(t, a)
	if _, err := a.Join(a.options("topic")); err == nil {
		t.Error("a topic was joined twice")
	}
	a.Leave()
	a.Leave()
	await(t, "b sees a leave", func() bool { return len(b.Topic.Peers()) == 0 })
	if err := a.Publish(t.Context(), []byte("x")); !errors.Is(err, netkit.ErrClosed) {
		t.Errorf("publish after leave: %v", err)
	}
	a.join(t, "topic")
	b.sees(t, a)
	b.publish(t, "again")
	a.gets(t, "again")
	for _, opts := range []netkit.TopicOptions{{}, a.options(""), a.options(strings.Repeat("x", 257)), {Name: "x"}} {
		if _, err := a.Join(opts); err == nil {
			t.Errorf("join took %+v", opts)
		}
	}
}

// TestManyJoined: two nodes with a thousand topics in common meet in all of them, and
// there is an end to how many there may be.
func TestManyJoined(t *testing.T) {
	const topics = 1000
	a, b := newMember(t, ""), newMember(t, "")
	name := func(i int) string { return fmt.Sprintf("%044d", i) }
	var joinedA, joinedB []*netkit.Topic
	join := func(m *member, i int) *netkit.Topic {
		topic, err := m.Join(m.options(name(i)))
		if err != nil {
			t.Fatal(err)
		}
		return topic
	}
	for i := range topics {
		joinedA = append(joinedA, join(a, i))
		if i < topics/2 { // the other half comes when they are connected
			joinedB = append(joinedB, join(b, i))
		}
	}
	b.connect(t, a)
	for i := topics / 2; i < topics; i++ {
		joinedB = append(joinedB, join(b, i))
	}
	await(t, "they meet everywhere", func() bool {
		for i := range topics {
			if len(joinedA[i].Peers()) == 0 || len(joinedB[i].Peers()) == 0 {
				return false
			}
		}
		return true
	})
	for i, topic := range joinedA {
		if err := topic.Publish(t.Context(), []byte(name(i))); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all is heard", func() bool { return len(b.received()) == topics })
	last, err := joinedA[0], error(nil)
	for i := topics; i < 20*topics; i++ {
		next, e := a.Join(a.options(name(i)))
		if err = e; err != nil {
			break
		}
		last = next
	}
	if !errors.Is(err, netkit.ErrTooManyTopics) {
		t.Fatalf("there is no end: %v", err)
	}
	last.Leave()
	if _, err := a.Join(a.options(name(topics * 20))); err != nil {
		t.Errorf("no room after a topic was left: %v", err)
	}
	c := newMember(t, name(1))
	c.connect(t, a)
	c.sees(t, a)
}
