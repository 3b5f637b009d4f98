package config_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/config"
)

// A reload takes the settings that can change, keeps the others, and names both without secrets.
func TestReloadTakesOnlyWhatCanChange(t *testing.T) {
	from := func(text string) *config.Config {
		return load(t, config.Sources{Flags: map[string]string{"config": "bellhop.yaml"}, Content: []byte(text)})
	}
	before := from("jwt_secret: " + secretOne + "\nlisten: :1\nlog_level: info\nconnections_per_user: 5\n")
	next := from("jwt_secret: " + secretTwo + "\nlisten: :2\n# a line more\nlog_level: debug\nretention: 1d\nqueue_bytes: 2MiB\nallowed_origins: ['https://a.example']\n")
	merged, changes, pending := before.Reloaded(next)

	assert.Equal(t, "[BELLHOP_ALLOWED_ORIGINS: empty to https://a.example BELLHOP_JWT_SECRET BELLHOP_CONNECTIONS_PER_USER: 5 to 20 "+
		"BELLHOP_QUEUE_BYTES: 1MiB to 2MiB BELLHOP_LOG_LEVEL: info to debug]", fmt.Sprint(changes))
	assert.Equal(t, "[BELLHOP_LISTEN: :1 to :2 BELLHOP_RETENTION: 30d to 1d]", fmt.Sprint(pending))
	assert.Equal(t, []config.Secret{secretTwo}, merged.JWTSecret)
	assert.Equal(t, slog.LevelDebug, merged.LogLevel)
	assert.Equal(t, []string{"https://a.example"}, merged.AllowedOrigins)
	assert.Equal(t, 20, merged.ConnectionsPerUser, "a line that is removed means the default")
	assert.Equal(t, ":1", merged.Listen)
	assert.Equal(t, before.Retention, merged.Retention)
	assert.Equal(t, "file bellhop.yaml:4", origin(t, merged, "BELLHOP_LOG_LEVEL"))
	assert.Equal(t, "file bellhop.yaml:2", origin(t, merged, "BELLHOP_LISTEN"))
	assert.Equal(t, "default", origin(t, merged, "BELLHOP_CONNECTIONS_PER_USER"))
	assert.Equal(t, slog.LevelInfo, before.LogLevel, "the settings before are not modified")

	_, changes, pending = merged.Reloaded(next)
	assert.Empty(t, changes)
	assert.Len(t, pending, 2, "they stay pending")
}

// Where a setting decides about others, or about an issuer, those wait for the restart too.
func TestReloadKeepsSettingsTogether(t *testing.T) {
	before := load(t, config.Sources{})
	next := load(t, config.Sources{Environ: []string{"BELLHOP_TRUSTED_PROXIES=10.0.0.0/8", "BELLHOP_JWT_SECRET=" + secretOne}})
	merged, changes, pending := before.Reloaded(next)
	assert.Empty(t, changes)
	assert.Zero(t, merged.ConnectionsPerAddress)
	assert.Equal(t, "[BELLHOP_TRUSTED_PROXIES: empty to 10.0.0.0/8 BELLHOP_JWT_SECRET: empty to (hidden) "+
		"BELLHOP_CONNECTIONS_PER_ADDRESS: 0 to 5000 BELLHOP_HANDSHAKES_PER_ADDRESS: 0 to 500]", fmt.Sprint(pending))
}
