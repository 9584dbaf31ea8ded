package syncer

import (
	"errors"
	"time"

	"mero/node/delta"
	"mero/node/ident"
)

// Errors of what operators ask for.
var (
	// ErrNoPeer says that no member of the context is connected.
	ErrNoPeer = errors.New("no member of this context is connected")
	// ErrStranger says that a peer has shown no binding to the context: it is not
	// connected, or is no member's node.
	ErrStranger = errors.New("this peer is not known as a member's node in this context")
	// ErrStopped says that the node is stopping.
	ErrStopped = errors.New("the node is stopping")
)

// Outcome is how a session ended. Its text is a value of the metric's label, too.
type Outcome string

// The outcomes of a session.
const (
	// OutcomeEqual: both replicas have the same folded heads and the same root.
	OutcomeEqual Outcome = "equal"
	// OutcomeMoving: all that was there was exchanged, but there are new deltas again.
	OutcomeMoving Outcome = "moving"
	// OutcomeWaiting: both have the same deltas, and some wait here or there.
	OutcomeWaiting Outcome = "waiting"
	// OutcomeStuck: a side did not take what it lacks.
	OutcomeStuck Outcome = "stuck"
	// OutcomeDiverged: the same folded heads with unequal roots, which is repaired.
	OutcomeDiverged Outcome = "diverged"
	// OutcomeRefused: the other node refused the session.
	OutcomeRefused Outcome = "refused"
	// OutcomeFailed: the connection, the other node or this one failed.
	OutcomeFailed Outcome = "failed"
)

// Report is what a session did.
type Report struct {
	Context ident.ContextID
	Peer    string
	Started time.Time
	Took    time.Duration
	Outcome Outcome
	// Equal says that folded heads and roots were equal at its end.
	Equal bool
	// Reason says in words why they were not; empty when they were.
	Reason string
	// Sent and Received are deltas, BytesSent and BytesReceived all bytes.
	Sent, Received           uint64
	BytesSent, BytesReceived uint64
	// Root and Deltas are this replica's at the end.
	Root   [32]byte
	Deltas uint64
	// Missing are parents that nobody has brought, at most 1 024.
	Missing []delta.ID
	// Waiting is how many deltas have no effect here yet, and Held, by what they wait
	// for, how many of them hold the others back (R4).
	Waiting uint64
	Held    map[string]int
	// NextTry is when the next session with this peer is due; zero: when something
	// gives cause.
	NextTry time.Time
}

// Link is what is known of a peer in a context.
type Link struct {
	Context ident.ContextID
	Peer    string
	// Member is the key under which it spoke last, Role what that may do.
	Member ident.PublicKey
	Role   string
	// Connected says that it is connected and its binding is good now.
	Connected bool
	// Behind says since when it is known to lack what is here or the other way round;
	// zero: as far as is known, both are equal.
	Behind time.Time
	// EqualAt is when it was last known to be equal; zero: not in this run.
	EqualAt time.Time
	// Syncing says that a session is under way.
	Syncing bool
	// Last is the last session's report; nil: there was none.
	Last *Report
	// Failures are the sessions that failed since the last one that did not, and
	// NextTry when the next one is due; zero: when something gives cause.
	Failures int
	NextTry  time.Time
}

// ContextStatus is how a context stands with its peers.
type ContextStatus struct {
	Context ident.ContextID
	// Equal says that every connected member's node was equal when last compared;
	// false when none is connected.
	Equal bool
	// Connected is how many of Links are.
	Connected int
	// Mesh is how many peers the topic's messages go to directly.
	Mesh int
	// Links are by peer.
	Links []Link
	// Discovery is when members were last looked for in the DHT; zero: never.
	Discovery time.Time
	// Fetching names what is being fetched, or is tried again: code, keys.
	Fetching []string
}

// PeerStatus is how a peer stands.
type PeerStatus struct {
	Peer      string
	Connected bool
	// Links are by context.
	Links []Link
	// Clock is how far its clock is ahead of this node's, as far as the last
	// heartbeat told; ClockAt when that was; zero: never.
	Clock   time.Duration
	ClockAt time.Time
	// Hello is what went wrong with the last hello; empty: nothing.
	Hello string
}

// Difference is what two replicas hold that the other lacks, as their vectors tell.
type Difference struct {
	Context ident.ContextID
	Peer    string
	// Equal says that folded heads and roots are equal.
	Equal bool
	// Ours and Theirs are per writer: how many deltas of it each side has, where that
	// differs; at most 1 024.
	Writers []WriterDifference
	// OursOnly and TheirsOnly are sums over them; where a writer is forked, at least.
	OursOnly, TheirsOnly uint64
	// Deltas, Waiting and Root of both sides.
	OurDeltas, TheirDeltas   uint64
	OurWaiting, TheirWaiting uint64
	OurRoot, TheirRoot       [32]byte
	// SameHeads says that the folded heads are the same.
	SameHeads bool
}

// WriterDifference is how far two replicas know one writer.
type WriterDifference struct {
	Writer       delta.Writer
	Ours, Theirs uint64 // the last number
	// Forked says that they know different branches of it.
	Forked bool
}
