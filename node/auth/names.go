package auth

import (
	"slices"
	"strings"
)

// aliasOf gives the full name of an action that http-api 5.9 spells twice.
func aliasOf(category, action string) (string, bool) {
	if category != "keys" {
		return "", false
	}
	switch action {
	case "revoke":
		return "delete", true
	case "clients":
		return "clients:list", true
	case "permissions":
		return "permissions:get", true
	}
	return "", false
}

// paramsOf says how many parameters a permission takes; false: there is none
// of this name. It is the table of http-api 5.9.
func paramsOf(category, action string) (int, bool) {
	switch category {
	case CategoryAdmin:
		return 0, action == ""
	case "application":
		return one(action, "", "list", "install", "uninstall")
	case "package":
		return one(action, "", "list-packages", "list-versions", "get-latest-version")
	case "blob":
		return one(action, "", "add", "add:stream", "add:file", "add:url", "remove")
	case "keys":
		return one(action, "", "create", "list", "delete", "clients:list", "clients:delete",
			"permissions:get", "permissions:update")
	case "context":
		return contextParams(action)
	}
	return 0, false
}

func one(action string, known ...string) (int, bool) {
	return 1, slices.Contains(known, action)
}

func contextParams(action string) (int, bool) {
	switch action {
	case "", "execute":
		return 3, true
	case "leave", "invite":
		return 2, true
	case "create", "list", "delete", "capabilities:grant", "capabilities:revoke", "application:update":
		return 1, true
	}
	parts := strings.Split(action, ":")
	ok := len(parts) == 3 && parts[0] == "alias" &&
		slices.Contains([]string{"create", "list", "lookup", "delete"}, parts[1]) &&
		slices.Contains([]string{"context", "application", "identity"}, parts[2])
	return 1, ok
}
