package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestNewKeysRemoveTheTokensOfOldOnes(t *testing.T) {
	now := time.Now()
	p := notify.Principal{User: "ada", Expires: now.Add(time.Hour)}
	var c tokenCache
	c.put(hashOf("a"), 1, p)
	c.put(hashOf("b"), 1, p)
	_, ok := c.get(hashOf("a"), 1, now)
	assert.True(t, ok)
	_, ok = c.get(hashOf("a"), 2, now)
	assert.False(t, ok, "verified with other keys")

	c.put(hashOf("c"), 2, p)
	assert.Equal(t, 1, c.tokens.Len(), "the tokens of version 1 take no memory")
	c.put(hashOf("a"), 1, p) // verified before the change, and put after it
	_, ok = c.get(hashOf("a"), 2, now)
	assert.False(t, ok, "not verified with the new keys")
	_, ok = c.get(hashOf("c"), 2, now)
	assert.True(t, ok)
	_, ok = c.get(hashOf("c"), 2, p.Expires.Add(notify.Leeway))
	assert.False(t, ok, "expired")
}
