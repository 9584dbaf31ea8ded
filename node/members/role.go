package members

import (
	"fmt"

	"mero/node/delta"
)

// Role is what a member is in a context (R10). Its numbers are final.
type Role uint8

// The roles.
const (
	Creator  Role = 1
	Admin    Role = 2
	Plain    Role = 3
	ReadOnly Role = 4
)

// String is the role's name, as people and the API write it.
func (r Role) String() string {
	names := [...]string{"", "creator", "admin", "member", "read-only"}
	if r == 0 || int(r) >= len(names) {
		return fmt.Sprintf("role %d", uint8(r))
	}
	return names[r]
}

// ParseRole reads a role's name.
func ParseRole(name string) (Role, error) {
	for r := Creator; r <= ReadOnly; r++ {
		if r.String() == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("role %q: want admin, member or read-only", name)
}

// isInvited reports whether one can be invited to the role.
func (r Role) isInvited() bool { return Admin <= r && r <= ReadOnly }

// Capabilities are what a plain member may do beyond writing, as bits. Their values
// are final.
type Capabilities uint8

// The capabilities.
const (
	ManageApplication Capabilities = 1
	ManageMembers     Capabilities = 2
	Proxy             Capabilities = 4
)

// May reports whether the member may do what a capability is for.
func (m *Member) May(c Capabilities) bool {
	switch m.Role {
	case Creator, Admin:
		return true
	case Plain:
		return m.Caps&c == c
	default:
		return false
	}
}

// MayGrant reports whether the member may invite and admit to a role: those who
// manage members, and only admins and the creator an admin.
func (m *Member) MayGrant(r Role) bool {
	return r.isInvited() && m.May(ManageMembers) && (r != Admin || m.Role <= Admin)
}

// Authorize says why somebody may not make a delta of a kind on this membership.
// Errors: ErrNotMember, ErrReadOnly, ErrNotHolder, ErrNotAllowed.
func (v *View) Authorize(h *delta.Header) error {
	m, ok := v.Get(h.Author)
	switch {
	case !ok:
		return ErrNotMember
	case h.Kind == delta.KindState && m.Role == ReadOnly:
		return ErrReadOnly
	case h.Kind == delta.KindApp && !m.May(ManageApplication):
		return ErrNotHolder
	case h.Kind == delta.KindMember && !m.May(ManageMembers):
		return ErrNotAllowed
	}
	return nil
}
