package members

import "errors"

// Why a paper is refused. Each has its own, so that people can be told what to do.
var (
	// ErrNotInvitation: a text that does not begin like an invitation.
	ErrNotInvitation = errors.New("this is no invitation: one begins with \"mero1\"")
	// ErrVersion: made by a release with another form of it.
	ErrVersion = errors.New("it is of another version of the protocol: both sides have to run releases that know it")
	// ErrGarbled: characters are missing or changed.
	ErrGarbled = errors.New("it is garbled: characters are missing or were changed on the way; copy it again, as a whole")
	// ErrTooLarge: over a limit of this package.
	ErrTooLarge = errors.New("it is too large")
	// ErrMalformed: not the form that this release writes.
	ErrMalformed = errors.New("it is malformed")
	// ErrSignature: not signed by who is named in it.
	ErrSignature = errors.New("its signature is not that of the key that it names")
	// ErrOtherContext: of another context.
	ErrOtherContext = errors.New("it is for another context")
	// ErrOtherPeer: a binding that somebody else's connection shows.
	ErrOtherPeer = errors.New("it is for another peer")
	// ErrExpired: its time is over.
	ErrExpired = errors.New("it has expired")
	// ErrNotYet: of a time that is not yet.
	ErrNotYet = errors.New("it is of a time to come: one of the clocks is wrong")
)

// Why a member delta, or another one, has no effect at its place (R10, R11), and why an
// admission is not made.
var (
	// ErrNotMember: by somebody who is none at its cut.
	ErrNotMember = errors.New("its author is not a member")
	// ErrReadOnly: a change of state by a member that may only read.
	ErrReadOnly = errors.New("its author may only read")
	// ErrNotHolder: a change of the application by a member that may not.
	ErrNotHolder = errors.New("only the creator, admins and members with the capability ManageApplication may change the application of a context")
	// ErrNotAllowed: a change of the membership by a member that may not make it.
	ErrNotAllowed = errors.New("only the creator, admins and members with the capability ManageMembers may invite, admit and revoke, and none of them above itself")
	// ErrIssuer: the invitation's issuer may not invite to its role.
	ErrIssuer = errors.New("who issued the invitation may not invite to its role")
	// ErrRevoked: the invitation was revoked, or is again.
	ErrRevoked = errors.New("the invitation was revoked")
	// ErrUsedUp: as many as the invitation was for have joined.
	ErrUsedUp = errors.New("the invitation is used up")
	// ErrAskIssuer: an invitation with a number of uses, and not its issuer.
	ErrAskIssuer = errors.New("the invitation has a number of uses, so that only who issued it can admit by it")
	// ErrNotForYou: an invitation for another key.
	ErrNotForYou = errors.New("the invitation is for another key")
	// ErrAlready: the key is a member.
	ErrAlready = errors.New("the key is a member already")
	// ErrFull: MaxMembers, or maxRevoked.
	ErrFull = errors.New("the context has as many as it may have")
	// ErrTicket: by somebody who knows the invitation, but was not handed its word.
	ErrTicket = errors.New("the request does not show that the invitation was handed to who asks")
	// ErrMismatch: admission, request and invitation do not say the same.
	ErrMismatch = errors.New("the admission is not what its invitation and request say")
)
