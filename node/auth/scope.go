package auth

import (
	"fmt"
	"strings"
)

// Limits of a list of scopes (R24): a token carries it on every request.
const (
	// MaxScopes is how many scopes one token may have.
	MaxScopes = 64
	// MaxScopeLen is the longest text of one scope in bytes: three
	// parameters of 44 digits fit several times.
	MaxScopeLen = 512
)

// CategoryAdmin is the scope that satisfies every need.
const CategoryAdmin = "admin"

// Scope is one permission, http-api 5.9:
//
//	category[:action[:sub[:subsub]]] [ "[" resource[,user[,method]] "]" ]
//
// An empty parameter means "any".
type Scope struct {
	// Category is one of admin, application, package, blob, context, keys.
	Category string
	// Action holds the parts behind the category joined by colons; empty is
	// the bare form.
	Action string
	// Resource is an application, package, blob, context or key id.
	Resource string
	// User is the member key that acts.
	User string
	// Method is the application's exported function.
	Method string
}

// Need is the permission that an operation asks for. An empty parameter is a
// need for all of them: only a scope without that parameter satisfies it.
type Need Scope

// Scopes is what a token allows: the union of its members.
type Scopes []Scope

// Admin is the scope list that satisfies everything.
func Admin() Scopes { return Scopes{{Category: CategoryAdmin}} }

// ParseScopes reads a list of at least one scope. Errors wrap ErrBadScope and
// quote the text that is wrong.
func ParseScopes(texts []string) (Scopes, error) {
	if len(texts) == 0 {
		return nil, fmt.Errorf("%w: a token needs at least one", ErrBadScope)
	}
	if len(texts) > MaxScopes {
		return nil, fmt.Errorf("%w: %d scopes, the limit is %d", ErrBadScope, len(texts), MaxScopes)
	}
	scopes := make(Scopes, 0, len(texts))
	for _, text := range texts {
		s, err := ParseScope(text)
		if err != nil {
			return nil, err
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// ParseScope reads one scope. The aliases of http-api 5.9 (keys:revoke,
// keys:clients, keys:permissions) become the names they stand for.
func ParseScope(text string) (Scope, error) {
	if len(text) > MaxScopeLen {
		return Scope{}, fmt.Errorf("%w: %d characters, the limit is %d", ErrBadScope, len(text), MaxScopeLen)
	}
	name, params, found := strings.Cut(text, "[")
	var s Scope
	var hasAction bool
	s.Category, s.Action, hasAction = strings.Cut(name, ":")
	if full, ok := aliasOf(s.Category, s.Action); ok {
		s.Action = full
	}
	width, ok := paramsOf(s.Category, s.Action)
	if !ok || hasAction && s.Action == "" {
		return Scope{}, fmt.Errorf("%w: %q: no permission is called %q", ErrBadScope, text, name)
	}
	if !found {
		return s, nil
	}
	params, closed := strings.CutSuffix(params, "]")
	if !closed {
		return Scope{}, fmt.Errorf("%w: %q: the closing bracket is missing", ErrBadScope, text)
	}
	parts := strings.Split(params, ",")
	if len(parts) > width {
		return Scope{}, fmt.Errorf("%w: %q: %d parameters, %s takes at most %d", ErrBadScope, text, len(parts), name, width)
	}
	for i, to := range []*string{&s.Resource, &s.User, &s.Method}[:len(parts)] {
		part := strings.TrimSpace(parts[i])
		if bad := strings.IndexFunc(part, notPlain); bad >= 0 {
			return Scope{}, fmt.Errorf("%w: %q: the character %q is not allowed", ErrBadScope, text, part[bad])
		}
		*to = part
	}
	return s, nil
}

// notPlain keeps tokens ASCII, as clients decode them with atob (http-api 5.5),
// and keeps the grammar's own signs out of parameters.
func notPlain(r rune) bool {
	return r <= ' ' || r > '~' || r == '[' || r == ']' || r == ',' || r == '"' || r == '\\'
}

// String prints the scope; ParseScope reads it back. Trailing empty
// parameters are dropped.
func (s Scope) String() string {
	var b strings.Builder
	b.WriteString(s.Category)
	if s.Action != "" {
		b.WriteByte(':')
		b.WriteString(s.Action)
	}
	params := strings.TrimRight(s.Resource+","+s.User+","+s.Method, ",")
	if params != "" {
		b.WriteByte('[')
		b.WriteString(params)
		b.WriteByte(']')
	}
	return b.String()
}

// String prints the need as the scope that satisfies it.
func (n Need) String() string { return Scope(n).String() }

// Strings prints every scope.
func (s Scopes) Strings() []string {
	out := make([]string, len(s))
	for i, scope := range s {
		out[i] = scope.String()
	}
	return out
}

// Allow reports whether one of the scopes satisfies the need.
func (s Scopes) Allow(n Need) bool {
	for _, scope := range s {
		if scope.Category == CategoryAdmin {
			return true
		}
		if scope.acts(n) && within(scope.Resource, n.Resource) &&
			within(scope.User, n.User) && within(scope.Method, n.Method) {
			return true
		}
	}
	return false
}

// Might reports whether some choice of parameters would satisfy the need. A
// route whose parameters are in its body asks this before it reads the body.
func (s Scopes) Might(n Need) bool {
	for _, scope := range s {
		if scope.Category == CategoryAdmin || scope.acts(n) {
			return true
		}
	}
	return false
}

// Covers reports whether everything in other is allowed by s: who hands a
// token on can only narrow it.
func (s Scopes) Covers(other Scopes) bool {
	for _, scope := range other {
		if !s.Allow(Need(scope)) {
			return false
		}
	}
	return true
}

// within: a scope without the parameter is global and satisfies a specific
// need; a specific one satisfies its equal only.
func within(have, need string) bool { return have == "" || have == need }

// acts compares category and action, with the bare forms and sub-actions.
func (s Scope) acts(n Need) bool {
	if s.Category != n.Category {
		return false
	}
	if s.Action == n.Action {
		return true
	}
	if s.Action == "" {
		// A dApp session holds the bare context[ctx,user] (http-api 5.9).
		if s.Category == "context" {
			return n.Action == "execute" || n.Action == "list"
		}
		return true
	}
	return strings.HasPrefix(n.Action, s.Action+":")
}
