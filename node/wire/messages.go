package wire

import (
	"errors"
	"fmt"

	"mero/node/delta"
	"mero/node/ident"
)

// Limits of messages, in items or bytes. They are constants of the protocol.
const (
	// MaxWords bounds a reason for people.
	MaxWords = 512
	// MaxAddrs bounds a list of multiaddresses.
	MaxAddrs = 16
	// MaxAddr bounds each of them.
	MaxAddr = 256
	// MaxTags bounds the contexts that one hello asks about.
	MaxTags = 16 << 10
	// MaxShared bounds the contexts that one hello brings bindings of, and that one
	// heartbeat covers.
	MaxShared = 1024
	// MaxBinding bounds a binding.
	MaxBinding = 1 << 10
	// MaxAdmission bounds a delta that shows an admission.
	MaxAdmission = 32 << 10
	// MaxAdmissions is how many of them lead from a known member to another at most.
	MaxAdmissions = 8
	// MaxInvitation bounds the invitation that a join shows.
	MaxInvitation = 8 << 10
	// MaxRequest bounds the request that a join shows.
	MaxRequest = 1 << 10
	// MaxTips bounds a vector: 4 096 members with 16 writers each.
	MaxTips = 1 << 16
	// MaxIDs bounds a list of deltas, or of epochs.
	MaxIDs = 1024
	// MaxBatch bounds the deltas of one batch.
	MaxBatch = 4096
	// MaxBatchBytes bounds their bytes together, if they are more than one.
	MaxBatchBytes = 1 << 20
	// MaxPiece bounds a piece of a blob.
	MaxPiece = 256 << 10
	// MaxPublish bounds the deltas of one gossip message.
	MaxPublish = 128
	// MaxPublishBytes bounds their bytes together.
	MaxPublishBytes = 256 << 10
)

// Frames of each protocol are at most this long.
const (
	MaxHelloFrame     = 1 << 20
	MaxJoinFrame      = 256 << 10
	MaxSyncFrame      = 8 << 20
	MaxHeartbeatFrame = 256 << 10
	MaxBlobFrame      = MaxPiece + 1<<10
	MaxKeysFrame      = 256 << 10
)

// Code is why something is refused. Its numbers are final; an unknown one is read as
// CodeFailed.
type Code uint64

// The reasons of refusals.
const (
	CodeFailed     Code = 1  // something went wrong here: try again later
	CodeVersion    Code = 2  // another version of the protocol
	CodeMalformed  Code = 3  // a frame that is none, or not the one that comes next
	CodeUnbound    Code = 4  // no accepted binding to that context, or no such context
	CodeBusy       Code = 5  // too much is going on: try again soon
	CodeExpired    Code = 6  // invitation: its time is over
	CodeUsedUp     Code = 7  // invitation: it was used as often as it may be
	CodeRevoked    Code = 8  // invitation: taken back
	CodeNotForYou  Code = 9  // invitation: directed to another key
	CodeAskIssuer  Code = 10 // invitation: only its issuer's node redeems it
	CodeNotAllowed Code = 11 // invitation: its issuer may not invite, or nobody here may admit
	CodeInvalid    Code = 12 // invitation or request: garbled, or not of this context
	CodeNotHere    Code = 13 // a blob or key that this node does not have
	CodeDamaged    Code = 14 // what is here cannot be read
)

// Refusal ends a protocol with a reason.
type Refusal struct {
	Code  Code     `cbor:"1,keyasint"`
	Words string   `cbor:"2,keyasint,omitempty"` // for people
	Addrs []string `cbor:"3,keyasint,omitempty"` // who might do better: multiaddresses with /p2p/ID
}

// Kind is KindRefusal.
func (*Refusal) Kind() Kind { return KindRefusal }

func (m *Refusal) check() error {
	return errors.Join(limit("words", len(m.Words), MaxWords), addrs(m.Addrs))
}

func addrs(list []string) error {
	err := limit("addresses", len(list), MaxAddrs)
	for _, a := range list {
		err = errors.Join(err, limit("address", len(a), MaxAddr))
	}
	return err
}

// Tag says "I hold this context" to whoever holds it, and nothing to others.
type Tag [16]byte

// Hello begins a hello: the contexts of the caller, blinded.
type Hello struct {
	Version uint64   `cbor:"1,keyasint"`
	Nonce   [16]byte `cbor:"2,keyasint"`           // drawn for this hello
	Tags    []Tag    `cbor:"3,keyasint,omitempty"` // of all contexts of the caller, ascending
	Clock   uint64   `cbor:"4,keyasint,omitempty"` // of the sender, in milliseconds since 1970
}

// Kind is KindHello.
func (*Hello) Kind() Kind { return KindHello }

func (m *Hello) check() error { return limit("tags", len(m.Tags), MaxTags) }

// Tags answers a hello: the shared contexts, blinded the other way round.
type Tags struct {
	Tags  []Tag  `cbor:"1,keyasint,omitempty"`
	Clock uint64 `cbor:"2,keyasint,omitempty"` // as in Hello
}

// Kind is KindTags.
func (*Tags) Kind() Kind { return KindTags }

func (m *Tags) check() error { return limit("tags", len(m.Tags), MaxTags) }

// Bound is a binding, and what shows that its member was admitted to whoever may not
// know it yet: the member deltas that lead to it, that of the creator's choice first.
type Bound struct {
	_          struct{} `cbor:",toarray"`
	Binding    []byte
	Admissions [][]byte // envelopes; none: the creator's, or it is known
}

// Bindings shows who speaks in each shared context (R14). The caller's come first.
type Bindings struct {
	Bound []Bound `cbor:"1,keyasint,omitempty"`
}

// Kind is KindBindings.
func (*Bindings) Kind() Kind { return KindBindings }

func (m *Bindings) check() error {
	err := limit("bindings", len(m.Bound), MaxShared)
	for _, b := range m.Bound {
		err = errors.Join(err, limit("binding", len(b.Binding), MaxBinding), limit("admissions", len(b.Admissions), MaxAdmissions))
		for _, a := range b.Admissions {
			err = errors.Join(err, limit("admission", len(a), MaxAdmission))
		}
	}
	return err
}

// Ask begins a join: an invitation, and who asks (R15).
type Ask struct {
	Version    uint64 `cbor:"1,keyasint"`
	Invitation []byte `cbor:"2,keyasint"`
	Request    []byte `cbor:"3,keyasint"`
}

// Kind is KindAsk.
func (*Ask) Kind() Kind { return KindAsk }

func (m *Ask) check() error {
	return errors.Join(limit("invitation", len(m.Invitation), MaxInvitation), limit("request", len(m.Request), MaxRequest))
}

// Admitted answers Ask: what a replica begins with.
type Admitted struct {
	Genesis   []byte      `cbor:"1,keyasint"` // envelope
	Admission []byte      `cbor:"2,keyasint"` // envelope of the member delta
	App       ident.AppID `cbor:"3,keyasint"` // what the context runs now
	Code      [32]byte    `cbor:"4,keyasint"` // the blob of its code
	Package   string      `cbor:"5,keyasint,omitempty"`
	Version   string      `cbor:"6,keyasint,omitempty"`
}

// Kind is KindAdmitted.
func (*Admitted) Kind() Kind { return KindAdmitted }

func (m *Admitted) check() error {
	return errors.Join(limit("genesis", len(m.Genesis), 2*MaxAdmission), limit("admission", len(m.Admission), 2*MaxAdmission),
		limit("package", len(m.Package), delta.MaxName), limit("version", len(m.Version), delta.MaxName))
}

// Tip is the last delta of a writer, or of one branch of a forked one.
type Tip struct {
	_           struct{} `cbor:",toarray"`
	Author      ident.PublicKey
	Incarnation delta.Incarnation
	Seq         uint64
	ID          delta.ID
}

// Known is what a replica holds at one moment (R3).
type Known struct {
	Tips    []Tip      `cbor:"1,keyasint,omitempty"` // ascending by writer, number and id
	Heads   [32]byte   `cbor:"2,keyasint"`           // of the folded heads: Sum
	Root    [32]byte   `cbor:"3,keyasint"`           // at those heads (R9)
	Deltas  uint64     `cbor:"4,keyasint,omitempty"` // that are connected
	Waiting uint64     `cbor:"5,keyasint,omitempty"` // those of them, and others, that wait (R4)
	Missing []delta.ID `cbor:"6,keyasint,omitempty"` // that are wanted by name, ascending
}

// Kind is KindKnown.
func (*Known) Kind() Kind { return KindKnown }

func (m *Known) check() error {
	return errors.Join(limit("vector", len(m.Tips), MaxTips), limit("missing", len(m.Missing), MaxIDs))
}

// Open begins a session of one context, and answers that.
type Open struct {
	Version uint64          `cbor:"1,keyasint"`
	Context ident.ContextID `cbor:"2,keyasint"`
	Known   Known           `cbor:"3,keyasint"`
}

// Kind is KindOpen.
func (*Open) Kind() Kind { return KindOpen }

func (m *Open) check() error { return m.Known.check() }

// Batch is some deltas that the other side lacks, in canonical order but for those
// that were wanted by name.
type Batch struct {
	Envelopes [][]byte `cbor:"1,keyasint"`
}

// Kind is KindBatch.
func (*Batch) Kind() Kind { return KindBatch }

func (m *Batch) check() error {
	if len(m.Envelopes) == 0 {
		return fmt.Errorf("%w: a batch of nothing", ErrMalformed)
	}
	return envelopes(m.Envelopes, MaxBatch, MaxBatchBytes)
}

// envelopes checks deltas in a message: one may be as large as a delta can be.
func envelopes(list [][]byte, most, bytes int) error {
	err := limit("deltas", len(list), most)
	sum := 0
	for _, e := range list {
		err = errors.Join(err, limit("delta", len(e), delta.MaxEnvelope))
		sum += len(e)
	}
	if len(list) > 1 {
		err = errors.Join(err, limit("bytes of deltas", sum, bytes))
	}
	return err
}

// Sent says that all of a round was sent.
type Sent struct {
	Deltas uint64 `cbor:"1,keyasint,omitempty"` // in this round
}

// Kind is KindSent.
func (*Sent) Kind() Kind { return KindSent }

func (m *Sent) check() error { return nil }

// Ack says how many batches of the session were folded. One that says nothing new
// says that the work goes on.
type Ack struct {
	Batches uint64 `cbor:"1,keyasint,omitempty"`
}

// Kind is KindAck.
func (*Ack) Kind() Kind { return KindAck }

func (m *Ack) check() error { return nil }

// Beat begins a heartbeat: one digest over all shared contexts (R9).
type Beat struct {
	Version uint64   `cbor:"1,keyasint"`
	Shared  uint64   `cbor:"2,keyasint,omitempty"` // contexts that the digest covers
	Digest  [32]byte `cbor:"3,keyasint"`
	Clock   uint64   `cbor:"4,keyasint"` // of the sender, in milliseconds since 1970
}

// Kind is KindBeat.
func (*Beat) Kind() Kind { return KindBeat }

func (m *Beat) check() error { return limit("shared contexts", int(min(m.Shared, 1<<30)), MaxShared) }

// Equal answers a heartbeat whose digest is the answerer's too.
type Equal struct {
	Clock uint64 `cbor:"1,keyasint"`
}

// Kind is KindEqual.
func (*Equal) Kind() Kind { return KindEqual }

func (m *Equal) check() error { return nil }

// State is where a replica stands.
type State struct {
	_       struct{} `cbor:",toarray"`
	Context ident.ContextID
	Heads   [32]byte // Sum of the folded heads
	Root    [32]byte
	Deltas  uint64
}

// Detail answers a heartbeat with another digest: where each shared context stands.
type Detail struct {
	Clock  uint64  `cbor:"1,keyasint"`
	States []State `cbor:"2,keyasint,omitempty"` // ascending by context
}

// Kind is KindDetail.
func (*Detail) Kind() Kind { return KindDetail }

func (m *Detail) check() error { return limit("states", len(m.States), MaxShared) }

// Want begins the fetch of a blob that is the code of a context's application.
type Want struct {
	Version uint64          `cbor:"1,keyasint"`
	Context ident.ContextID `cbor:"2,keyasint"`
	Blob    [32]byte        `cbor:"3,keyasint"`
	Offset  uint64          `cbor:"4,keyasint,omitempty"` // bytes that are there already
}

// Kind is KindWant.
func (*Want) Kind() Kind { return KindWant }

func (m *Want) check() error { return nil }

// Size answers Want; pieces follow, from the offset on.
type Size struct {
	Bytes uint64 `cbor:"1,keyasint"` // of the whole blob
}

// Kind is KindSize.
func (*Size) Kind() Kind { return KindSize }

func (m *Size) check() error { return nil }

// Piece is the next bytes of a blob.
type Piece struct {
	Data []byte `cbor:"1,keyasint"`
}

// Kind is KindPiece.
func (*Piece) Kind() Kind { return KindPiece }

func (m *Piece) check() error {
	if len(m.Data) == 0 {
		return fmt.Errorf("%w: an empty piece", ErrMalformed)
	}
	return limit("piece", len(m.Data), MaxPiece)
}

// KeysAsk begins the pull of epoch keys (R13).
type KeysAsk struct {
	Version uint64          `cbor:"1,keyasint"`
	Context ident.ContextID `cbor:"2,keyasint"`
	Member  ident.PublicKey `cbor:"3,keyasint"`           // bound to the asking peer
	Epochs  []delta.EpochID `cbor:"4,keyasint,omitempty"` // ascending
}

// Kind is KindKeysAsk.
func (*KeysAsk) Kind() Kind { return KindKeysAsk }

func (m *KeysAsk) check() error { return limit("epochs", len(m.Epochs), MaxIDs) }

// Wrapped is the key of an epoch, wrapped for a member.
type Wrapped struct {
	_     struct{} `cbor:",toarray"`
	Epoch delta.EpochID
	Key   [80]byte
}

// Keys answers KeysAsk with those that the answerer has, ascending by epoch.
type Keys struct {
	Keys []Wrapped `cbor:"1,keyasint,omitempty"`
}

// Kind is KindKeys.
func (*Keys) Kind() Kind { return KindKeys }

func (m *Keys) check() error { return limit("keys", len(m.Keys), MaxIDs) }

// Publish is the gossip of new deltas of one context, in the order of their commits.
type Publish struct {
	Envelopes [][]byte `cbor:"1,keyasint"`
}

// Kind is KindPublish.
func (*Publish) Kind() Kind { return KindPublish }

func (m *Publish) check() error {
	if len(m.Envelopes) == 0 {
		return fmt.Errorf("%w: a message of nothing", ErrMalformed)
	}
	err := limit("deltas", len(m.Envelopes), MaxPublish)
	sum := 0
	for _, e := range m.Envelopes {
		sum += len(e)
	}
	return errors.Join(err, limit("bytes of deltas", sum, MaxPublishBytes))
}

// Announce is the gossip of deltas that are too large for it: who lacks them begins a
// session.
type Announce struct {
	IDs []delta.ID `cbor:"1,keyasint"`
}

// Kind is KindAnnounce.
func (*Announce) Kind() Kind { return KindAnnounce }

func (m *Announce) check() error {
	if len(m.IDs) == 0 {
		return fmt.Errorf("%w: an announcement of nothing", ErrMalformed)
	}
	return limit("ids", len(m.IDs), MaxIDs)
}
