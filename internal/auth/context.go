package auth

import (
	"context"

	"github.com/bellhop/bellhop/internal/notify"
)

type principalKey struct{}

// WithPrincipal returns a context that bears p.
func WithPrincipal(ctx context.Context, p notify.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns the principal that ctx bears, if there is one.
func PrincipalOf(ctx context.Context) (notify.Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(notify.Principal)
	return p, ok
}
