package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/auth"
)

func TestParseScope(t *testing.T) {
	for name, row := range map[string]struct {
		text, printed string
		want          auth.Scope
	}{
		"admin":            {"admin", "admin", auth.Scope{Category: "admin"}},
		"bare":             {"application", "application", auth.Scope{Category: "application"}},
		"action":           {"application:list[A]", "application:list[A]", auth.Scope{Category: "application", Action: "list", Resource: "A"}},
		"three parameters": {"context:execute[C,U,set]", "context:execute[C,U,set]", auth.Scope{Category: "context", Action: "execute", Resource: "C", User: "U", Method: "set"}},
		"holes":            {"context:execute[,,get]", "context:execute[,,get]", auth.Scope{Category: "context", Action: "execute", Method: "get"}},
		"trailing empties": {"context[C,,]", "context[C]", auth.Scope{Category: "context", Resource: "C"}},
		"empty brackets":   {"blob:remove[]", "blob:remove", auth.Scope{Category: "blob", Action: "remove"}},
		"spaces":           {"context[ C , U ]", "context[C,U]", auth.Scope{Category: "context", Resource: "C", User: "U"}},
		"sub-action":       {"blob:add:stream", "blob:add:stream", auth.Scope{Category: "blob", Action: "add:stream"}},
		"deep":             {"context:alias:create:identity[C]", "context:alias:create:identity[C]", auth.Scope{Category: "context", Action: "alias:create:identity", Resource: "C"}},
		"alias revoke":     {"keys:revoke[K]", "keys:delete[K]", auth.Scope{Category: "keys", Action: "delete", Resource: "K"}},
		"alias clients":    {"keys:clients", "keys:clients:list", auth.Scope{Category: "keys", Action: "clients:list"}},
		"alias permission": {"keys:permissions", "keys:permissions:get", auth.Scope{Category: "keys", Action: "permissions:get"}},
		"package":          {"package:get-latest-version[com.x]", "package:get-latest-version[com.x]", auth.Scope{Category: "package", Action: "get-latest-version", Resource: "com.x"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := auth.ParseScope(row.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
			if got.String() != row.printed {
				t.Errorf("prints %q, want %q", got, row.printed)
			}
		})
	}
}

func TestParseScopeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "unknown category": "everything", "unknown action": "context:eat",
		"case": "Admin", "admin with action": "admin:all", "admin with parameter": "admin[x]",
		"colon alone": "context:", "brackets alone": "[C]", "no closing": "context[C", "two pairs": "context[C][D]",
		"text behind": "context[C]x", "too many": "context[a,b,c,d]", "list takes one": "context:list[C,U]",
		"invite takes two": "context:invite[C,U,m]", "alias without kind": "context:alias:create",
		"alias of blobs": "context:alias:create:blob", "not ascii": "context[é]", "blank inside": "context[a b]",
		"quote": `context["]`, "control": "context[\n\x00]", "too long": "context[" + strings.Repeat("x", 600) + "]",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := auth.ParseScope(text); !errors.Is(err, auth.ErrBadScope) {
				t.Errorf("ParseScope(%q) = %v, %v; want ErrBadScope", text, got, err)
			}
		})
	}
	if _, err := auth.ParseScopes(nil); !errors.Is(err, auth.ErrBadScope) {
		t.Errorf("no scopes: %v", err)
	}
	if _, err := auth.ParseScopes(make([]string, auth.MaxScopes+1)); !errors.Is(err, auth.ErrBadScope) {
		t.Errorf("too many scopes: %v", err)
	}
}

func TestAllow(t *testing.T) {
	execute := func(p ...string) auth.Need { return need("context", "execute", p...) }
	for name, row := range map[string]struct {
		have string // separated by blanks
		need auth.Need
		want bool
	}{
		"admin does all":             {"admin", execute("C", "U", "m"), true},
		"none does nothing":          {"", execute("C", "U", "m"), false},
		"global satisfies specific":  {"context:execute", execute("C", "U", "m"), true},
		"specific not global":        {"context:list[C]", need("context", "list"), false},
		"same resource":              {"context:list[C]", need("context", "list", "C"), true},
		"other resource":             {"context:list[C]", need("context", "list", "D"), false},
		"prefix is not equal":        {"context:list[C]", need("context", "list", "CC"), false},
		"other category":             {"blob", need("application", "list"), false},
		"other action":               {"application:list", need("application", "install"), false},
		"user must be the same":      {"context:execute[C,U]", execute("C", "V", "m"), false},
		"user global":                {"context:execute[C]", execute("C", "V", "m"), true},
		"method must be the same":    {"context:execute[C,U,get]", execute("C", "U", "set"), false},
		"method in any context":      {"context:execute[,,get]", execute("C", "U", "get"), true},
		"bare application":           {"application", need("application", "uninstall", "A"), true},
		"bare application, own":      {"application[A]", need("application", "uninstall", "B"), false},
		"bare blob":                  {"blob", need("blob", "add:file"), true},
		"bare keys":                  {"keys", need("keys", "clients:delete", "K"), true},
		"bare package":               {"package", need("package", "list-versions", "p"), true},
		"bare context executes":      {"context[C,U]", execute("C", "U", "m"), true},
		"bare context, other":        {"context[C,U]", execute("D", "U", "m"), false},
		"bare context, other user":   {"context[C,U]", execute("C", "V", "m"), false},
		"bare context, method":       {"context[C,U,get]", execute("C", "U", "set"), false},
		"bare context cannot delete": {"context[C]", need("context", "delete", "C"), false},
		"bare context cannot create": {"context", need("context", "create"), false},
		"bare context, no alias":     {"context", need("context", "alias:list:context"), false},
		"sub-action":                 {"blob:add", need("blob", "add:stream"), true},
		"sub-action not upwards":     {"blob:add:stream", need("blob", "add"), false},
		"one of several":             {"blob:add context:list[C]", need("context", "list", "C"), true},
		"several do not add up":      {"context:list[D] context:execute[C]", need("context", "list", "C"), false},
		"alias of keys:delete":       {"keys:revoke[K]", need("keys", "delete", "K"), true},
		"admin is needed":            {"context application blob keys package", need("admin", ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			have := scopes(t, row.have)
			if got := have.Allow(row.need); got != row.want {
				t.Errorf("%v.Allow(%v) = %v, want %v", have, row.need, got, row.want)
			}
			if row.want && !have.Might(row.need) {
				t.Errorf("allowed, but Might says no")
			}
		})
	}
}

// user needs list a specific user: list and bare context carry one.
func TestBareContextLists(t *testing.T) {
	have := scopes(t, "context[C]")
	if !have.Allow(need("context", "list", "C")) {
		t.Error("context[C] cannot list C")
	}
	if !scopes(t, "context[C,U]").Might(need("context", "list", "D")) {
		t.Error("Might looks at parameters")
	}
}

func TestCovers(t *testing.T) {
	for name, row := range map[string]struct {
		have, other string
		want        bool
	}{
		"admin covers admin":       {"admin", "admin", true},
		"keys do not make admins":  {"keys", "admin", false},
		"keys:create alone":        {"keys:create", "keys:create", true},
		"narrower":                 {"context:execute[C]", "context:execute[C,U] context:execute[C,,m]", true},
		"wider":                    {"context:execute[C,U]", "context:execute[C]", false},
		"one too many":             {"context:execute", "context:execute[C] blob", false},
		"bare is not its actions":  {"context:execute context:list", "context", false},
		"bare context covers list": {"context[C]", "context:list[C]", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := scopes(t, row.have).Covers(scopes(t, row.other)); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func FuzzParseScope(f *testing.F) {
	for _, seed := range []string{
		"admin", "context[C,U,m]", "context:alias:lookup:identity[C]", "keys:clients", "blob:add:url", "context[,,]", "a[b]c[",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := auth.ParseScope(text)
		if err != nil {
			if !errors.Is(err, auth.ErrBadScope) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := auth.ParseScope(s.String())
		if err != nil || again != s {
			t.Fatalf("%q reads as %+v, prints %q, which reads as %+v, %v", text, s, s, again, err)
		}
		if !(auth.Scopes{s}).Covers(auth.Scopes{s}) {
			t.Errorf("%q does not cover itself", s)
		}
	})
}

func need(category, action string, params ...string) auth.Need {
	params = append(params, "", "", "")
	return auth.Need{Category: category, Action: action, Resource: params[0], User: params[1], Method: params[2]}
}

func scopes(t *testing.T, texts string) auth.Scopes {
	t.Helper()
	if texts == "" {
		return nil
	}
	s, err := auth.ParseScopes(strings.Fields(texts))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
