package auth

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// checkName checks the name of a backend, which its principal bears.
func checkName(name string) error {
	if name == "" || len(name) > 64 || !consistsOf(name, inLabel+".") {
		return errors.New("name must have 1 to 64 characters, each of A-Z a-z 0-9 . _ -")
	}
	return nil
}

// checkScopes refuses unknown and repeated scopes. The error does not repeat one.
func checkScopes(scopes []notify.Scope) error {
	for i, s := range scopes {
		switch {
		case !isScope(s):
			return fmt.Errorf("scope %d is not one of %s, %s, %s, %s",
				i+1, notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeAdmin, notify.ScopeTopics)
		case slices.Contains(scopes[:i], s):
			return fmt.Errorf("scope %d is listed twice", i+1)
		}
	}
	return nil
}

func isScope(s notify.Scope) bool {
	switch s {
	case notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeAdmin, notify.ScopeTopics:
		return true
	}
	return false
}
