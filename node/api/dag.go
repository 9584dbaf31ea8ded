package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"mero/node/ident"
)

const (
	// DefaultDagPage is how many deltas a page of the graph has unless told.
	DefaultDagPage = 100
	// MaxDagPage is the most that one page may have.
	MaxDagPage = 1000
)

// ErrDagQuery says which part of a DagQuery cannot be read.
var ErrDagQuery = errors.New("malformed query")

// DagQuery chooses deltas of a context's graph. The zero query is the newest
// DefaultDagPage of all.
type DagQuery struct {
	// Author, when given, leaves out the deltas of other members.
	Author *ident.PublicKey
	// Since and Until leave out what is older and what is newer; a delta of that
	// very time stays. Zero: no such limit.
	Since, Until time.Time
	// Limit is the most deltas that the page has, 1 … MaxDagPage; 0 is
	// DefaultDagPage. A page may have fewer although more follow: DagPage.Next tells.
	Limit int
	// After continues a listing behind a delta: what DagPage.Next said.
	After *Hash
	// Pending leaves out what does not wait.
	Pending bool
}

// Values is the query as it stands in a URL.
func (q DagQuery) Values() url.Values {
	v := url.Values{}
	if q.Author != nil {
		v.Set("author", q.Author.String())
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.Format(time.RFC3339Nano))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.After != nil {
		v.Set("after", q.After.String())
	}
	if q.Pending {
		v.Set("pending", "true")
	}
	return v
}

// ParseDagQuery is the inverse of DagQuery.Values. What it does not know it
// leaves alone. Errors wrap ErrDagQuery and name the part.
func ParseDagQuery(v url.Values) (q DagQuery, err error) {
	for _, part := range []struct {
		name string
		read func(text string) error
	}{
		{"author", func(text string) error {
			key, err := ident.ParsePublicKey(text)
			q.Author = &key
			return err
		}},
		{"since", func(text string) (err error) {
			q.Since, err = time.Parse(time.RFC3339Nano, text)
			return err
		}},
		{"until", func(text string) (err error) {
			q.Until, err = time.Parse(time.RFC3339Nano, text)
			return err
		}},
		{"limit", func(text string) (err error) {
			q.Limit, err = strconv.Atoi(text)
			if err == nil && (q.Limit < 1 || q.Limit > MaxDagPage) {
				err = fmt.Errorf("%d is not from 1 to %d", q.Limit, MaxDagPage)
			}
			return err
		}},
		{"after", func(text string) error {
			id, err := ParseHash(text)
			q.After = &id
			return err
		}},
		{"pending", func(text string) (err error) {
			q.Pending, err = strconv.ParseBool(text)
			return err
		}},
	} {
		if !v.Has(part.name) {
			continue
		}
		if err := part.read(v.Get(part.name)); err != nil {
			return DagQuery{}, fmt.Errorf("%w: %s: %w", ErrDagQuery, part.name, err)
		}
	}
	return q, nil
}

// DagPage is the data of GET /x/contexts/:id/dag: deltas in reversed canonical
// order, so the newest come first and each comes before its parents.
type DagPage struct {
	ContextID ident.ContextID `json:"contextId"`
	Deltas    []DeltaRow      `json:"deltas"`
	// Next continues the listing, as DagQuery.After; absent at its end.
	Next *Hash `json:"next,omitempty"`
	// Summary is of the whole context; only the first page of a listing has one.
	Summary *DagSummary `json:"summary,omitempty"`
	// Refusals are what was handed to this node as a delta of the context lately
	// and was none, oldest first; only the first page of pending ones has them.
	Refusals []DeltaRefusal `json:"refusals,omitempty"`
}

// The fates of R4.
const (
	FateFolded  = "folded"
	FateVoid    = "void"
	FateWaiting = "waiting"
)

// DeltaRow is one delta of the graph.
type DeltaRow struct {
	ID Hash `json:"deltaId"`
	// Time is its hybrid time, exact to the nanosecond (R2).
	Time   time.Time       `json:"time"`
	Kind   string          `json:"kind"`
	Author ident.PublicKey `json:"author"`
	// Incarnation, 16 hexadecimal digits, and the author are the writer that gave
	// the delta its number, Seq (R3).
	Incarnation string `json:"incarnation"`
	Seq         uint64 `json:"seq"`
	Parents     []Hash `json:"parents"`
	// Children counts the stored deltas that name it as a parent.
	Children uint32 `json:"children"`
	// Fate is one of the constants; Reason says why it is void, or what it waits for.
	Fate   string `json:"fate"`
	Reason string `json:"reason,omitempty"`
	// WaitsFor is one word for what it waits for: parents, code, key, clock …
	WaitsFor string `json:"waitsFor,omitempty"`
	// Since is when it began to wait, if that is known.
	Since *time.Time `json:"since,omitempty"`
	// Missing are the parents that this node does not have.
	Missing []Hash `json:"missing,omitempty"`
	// Size is that of the whole delta in bytes.
	Size int `json:"size"`
	// Head: no folded or void delta rests on it. Merge: it has several parents.
	// Forked: its writer gave its number to another delta too.
	Head   bool `json:"head"`
	Merge  bool `json:"merge"`
	Forked bool `json:"forked"`
	// Events counts the events of its call, and Depth is the length of the chain of
	// handlers that led to it (R20); absent when the payload does not open here.
	Events *int `json:"events,omitempty"`
	Depth  *int `json:"depth,omitempty"`
	// Update is what a change of the application says.
	Update *UpdatePayload `json:"update,omitempty"`
	// Problem says that the stored bytes are not what they must be.
	Problem string `json:"problem,omitempty"`
}

// DagSummary counts what is stored of a context.
type DagSummary struct {
	RootHash Hash `json:"rootHash"`
	Folded   int  `json:"folded"`
	Void     int  `json:"void"`
	Waiting  int  `json:"waiting"`
	// WaitsFor splits Waiting up, by DeltaRow.WaitsFor.
	WaitsFor map[string]int `json:"waitsFor"`
	Heads    []Hash         `json:"heads"`
	// Authors are members that made deltas; Writers count each of their incarnations.
	Authors int `json:"authors"`
	Writers int `json:"writers"`
	// Forks counts numbers that a writer used more than once (R3); ForkList has the
	// first MaxForkList of them.
	Forks    int       `json:"forks"`
	ForkList []DagFork `json:"forkList"`
	// Matching counts what the query chooses, on all pages together.
	Matching int `json:"matching"`
}

// MaxForkList bounds DagSummary.ForkList.
const MaxForkList = 64

// DagFork is a number that a writer gave to several deltas.
type DagFork struct {
	Author      ident.PublicKey `json:"author"`
	Incarnation string          `json:"incarnation"`
	Seq         uint64          `json:"seq"`
	Deltas      []Hash          `json:"deltas"`
}

// DeltaRefusal is something that came as a delta and is none, or had no room to
// wait.
type DeltaRefusal struct {
	At time.Time `json:"at"`
	// ID and Author are absent when the bytes did not tell.
	ID     *Hash            `json:"deltaId,omitempty"`
	Author *ident.PublicKey `json:"author,omitempty"`
	Reason string           `json:"reason"`
}

// DeltaDetail is the data of GET /x/contexts/:id/dag/:delta: all there is to know
// of one delta. Keys and the topic secret are never in it.
type DeltaDetail struct {
	DeltaRow

	ContextID ident.ContextID `json:"contextId"`
	// Version is that of the protocol.
	Version uint64 `json:"version"`
	// Epoch names the key that seals the payload (R13).
	Epoch Hash `json:"epoch"`
	// Recipients counts the members for whom it carries that key.
	Recipients int `json:"recipients"`
	// Signature is "good", or what is wrong; it was checked for this answer.
	Signature string `json:"signature"`
	// Payload is what it says; absent when that cannot be read, and Unopened says
	// why.
	Payload  *DeltaPayload `json:"payload,omitempty"`
	Unopened string        `json:"unopened,omitempty"`
}

// SignatureGood is DeltaDetail.Signature of a delta that its author signed.
const SignatureGood = "good"

// DeltaPayload is an opened payload.
type DeltaPayload struct {
	// Genesis is set for the delta that began the context.
	Genesis *GenesisPayload `json:"genesis,omitempty"`
	// Artifact is what the application committed.
	Artifact *ArtifactPayload `json:"artifact,omitempty"`
	// GuestRoot is the root that the application computed.
	GuestRoot *Hash         `json:"guestRoot,omitempty"`
	Events    []EventDetail `json:"events,omitempty"`
	// Call is set for an application without commit: folding is calling again.
	Call *CallDetail `json:"call,omitempty"`
	// Operations are what an application with host-managed collections did to them.
	Operations *OperationsPayload `json:"operations,omitempty"`
	// Update is set for a change of the application (R10).
	Update *UpdatePayload `json:"update,omitempty"`
	// Member is set for a change of the membership (R10).
	Member *MemberPayload `json:"member,omitempty"`
}

// MemberPayload is a change of a context's membership: one of its fields is set.
type MemberPayload struct {
	Admit *AdmitPayload `json:"admit,omitempty"`
	// Revoked is the id of an invitation that is good no more.
	Revoked *Hash `json:"revoked,omitempty"`
}

// AdmitPayload is a member that is taken in.
type AdmitPayload struct {
	Member ident.PublicKey `json:"member"`
	// Role is admin, member or read-only.
	Role string `json:"role"`
	// Invitation is the id of the one that it came by, and Inviter who issued that; absent
	// when that cannot be read.
	Invitation *Hash            `json:"invitation,omitempty"`
	Inviter    *ident.PublicKey `json:"inviter,omitempty"`
}

// OperationsPayload describes operations on host-managed collections.
type OperationsPayload struct {
	Size int               `json:"size"`
	List []OperationDetail `json:"list"`
	// More counts operations behind the first MaxActionList.
	More int `json:"more,omitempty"`
	// Malformed says why they cannot be told; such a delta is void.
	Malformed string `json:"malformed,omitempty"`
}

// OperationDetail is one operation on a collection, or the making of one.
type OperationDetail struct {
	// Name is make, store, clear, put, remove, drop, add, discard, increase, insert,
	// insert open, set, erase or type, as node/collections has them.
	Name string `json:"name"`
	// Path leads to the collection, as StateQuery.Path does, but that what is in a list
	// is named by its element.
	Path []string `json:"path"`
	// Kind is that of the collection, as StateNode.Kind.
	Kind string `json:"kind"`
	Once bool   `json:"once,omitempty"`
	// Key is a map's key, a set's element or a name, as KeyWord has it.
	Key string `json:"key,omitempty"`
	// Element is the list's element that is set; Where is the place of an insertion.
	Element string `json:"element,omitempty"`
	Where   string `json:"where,omitempty"`
	// Values are what is written, at most 64; MoreValues counts others.
	Values     []Content `json:"values,omitempty"`
	MoreValues int       `json:"moreValues,omitempty"`
	// Amount is an increase; Count is how many elements are erased; Seen counts the
	// earlier writes that it takes away.
	Amount int64 `json:"amount,omitempty"`
	Count  int   `json:"count,omitempty"`
	Seen   int   `json:"seen,omitempty"`
}

// UpdatePayload is a change of a context's application.
type UpdatePayload struct {
	ApplicationID ident.AppID `json:"applicationId"`
	// Code is the SHA-256 of the application's code.
	Code    Hash   `json:"code"`
	Package string `json:"package"`
	Version string `json:"version"`
	// MigrateMethod brought the state into the new form; empty: none.
	MigrateMethod string `json:"migrateMethod,omitempty"`
}

// GenesisPayload is how a context began.
type GenesisPayload struct {
	// Semantics is the version of the host's behaviour.
	Semantics     uint64      `json:"semantics"`
	ApplicationID ident.AppID `json:"applicationId"`
	// Code is the SHA-256 of the application's code.
	Code    Hash   `json:"code"`
	Package string `json:"package"`
	Version string `json:"version"`
	// StateQuota bounds the state in bytes; Rate the deltas of a member a minute, 0
	// for no limit.
	StateQuota uint64 `json:"stateQuota"`
	Rate       uint64 `json:"rate"`
}

// ArtifactPayload describes an artifact.
type ArtifactPayload struct {
	Size int `json:"size"`
	// Layouts are the published forms that it fits and that the application's other
	// artifacts fit; none for another form. Actions are what it says in the first.
	Layouts []string       `json:"layouts"`
	Actions []ActionDetail `json:"actions,omitempty"`
	// More counts actions behind the first MaxActionList.
	More int `json:"more,omitempty"`
}

// MaxActionList bounds ArtifactPayload.Actions.
const MaxActionList = 1000

// ActionDetail is a change of one entry of the application's state, as the
// application says.
type ActionDetail struct {
	// Kind is add, update, delete or compare.
	Kind string `json:"kind"`
	ID   Hash   `json:"id"`
	// Parent is the entry that it lies in.
	Parent *Hash `json:"parent,omitempty"`
	// Data is the entry's new value; absent for deletions.
	Data *Content `json:"data,omitempty"`
	// Type and Field name the collection, where the layout says them.
	Type  string `json:"type,omitempty"`
	Field string `json:"field,omitempty"`
	// At is when the application says that it happened.
	At *time.Time `json:"at,omitempty"`
	// Storage is who may change the entry: user, frozen, shared or member; absent for
	// everybody. Owner is the user's key.
	Storage string           `json:"storage,omitempty"`
	Owner   *ident.PublicKey `json:"owner,omitempty"`
}

// EventDetail is an event of a delta.
type EventDetail struct {
	Kind    string  `json:"kind"`
	Data    Content `json:"data"`
	Handler string  `json:"handler,omitempty"`
}

// CallDetail is a call that is replicated as such.
type CallDetail struct {
	Method string  `json:"method"`
	Input  Content `json:"input"`
}

// Content is a byte string for people to read: one of JSON, Text and Bytes is
// set, the first that can be; none when it is empty.
type Content struct {
	Size  int             `json:"size"`
	JSON  json.RawMessage `json:"json,omitempty"`
	Text  string          `json:"text,omitempty"`
	Bytes Bytes           `json:"bytes,omitempty"`
}

// VerifyRequest is the body of POST /x/contexts/:id/verify.
type VerifyRequest struct {
	// Log rechecks everything: signatures, the graph, and all of the fold.
	Log bool `json:"log"`
	// Repair folds the context again from its deltas if the state is not right.
	Repair bool `json:"repair"`
}

// ContextReport is the data of POST /x/contexts/:id/verify and …/rebuild.
type ContextReport struct {
	ContextID ident.ContextID `json:"contextId"`
	// OK: nothing is wrong, or not any more.
	OK bool `json:"ok"`
	// Deep says that all deltas were folded again to compare.
	Deep bool `json:"deep"`
	// Deltas are folded, Void are void, Waiting wait.
	Deltas     uint64 `json:"deltas"`
	Void       uint64 `json:"void"`
	Waiting    uint64 `json:"waiting"`
	Keys       uint64 `json:"keys"`
	StateBytes uint64 `json:"stateBytes"`
	RootHash   Hash   `json:"rootHash"`
	Heads      []Hash `json:"dagHeads"`
	// Problems are what was found, at most 16.
	Problems []ContextProblem `json:"problems"`
	// Repaired says that the state was folded again and is right now.
	Repaired bool `json:"repaired"`
	// NotRepaired says why a repair that was asked for failed.
	NotRepaired string `json:"notRepaired,omitempty"`
	TookMs      int64  `json:"tookMs"`
}

// ContextProblem is one thing that is not as it must be.
type ContextProblem struct {
	What string `json:"what"`
	// ID is the delta and Key the key of the state that it is about, if any.
	ID  *Hash `json:"deltaId,omitempty"`
	Key Bytes `json:"key,omitempty"`
}
