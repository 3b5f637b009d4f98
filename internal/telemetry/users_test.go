package telemetry_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// A line has the hash of a user in its place, in both formats, in attributes of the logger too,
// and before there is a key of the installation.
func TestUsersAreHashed(t *testing.T) {
	ada := notify.UserID("ada@example.com") // no hash contains the at sign
	for _, format := range []string{"text", "json"} {
		var text strings.Builder
		out := telemetry.NewOutput(&text)
		log := telemetry.NewLog(out, slog.LevelInfo, format)
		log.Info("before the key", "user", ada)
		log.SetUserKey([]byte("of the installation"))
		log.With("user", ada).Info("from the logger")
		log.Info("from the line", "user", ada)
		hash := log.UserHash(ada)
		log.Close()
		out.Close()

		require.Len(t, hash, 16)
		require.NotContains(t, text.String(), "ada@")
		require.Equal(t, 2, strings.Count(text.String(), hash))
		require.NotEqual(t, hash, log.UserHash("grace@example.com"))

		other := telemetry.NewLog(telemetry.NewOutput(&text), slog.LevelInfo, format)
		require.NotEqual(t, hash, other.UserHash(ada), "a random key")
		other.SetUserKey([]byte("of the installation"))
		require.Equal(t, hash, other.UserHash(ada), "of another node")
		other.Flush()
	}
}

// Audit lines of different users are different lines, though both have the user as a hash. Of other lines,
// one stands for all users.
func TestAuditLinesOfDifferentUsersAreAllWritten(t *testing.T) {
	text := logged("json", slog.LevelInfo, func(l *telemetry.Log) {
		for _, u := range []notify.UserID{"ada", "grace"} {
			l.Info("request refused", "audit", true, "outcome", "refused", "user", u, "problem", "scope")
			l.Info("peer broke the protocol", "user", u)
		}
	})
	require.Equal(t, 2, strings.Count(text, `"problem":"scope"`))
	require.Equal(t, 2, strings.Count(text, "peer broke the protocol"), "one line, and the number of the others")
	require.Equal(t, 1, strings.Count(text, `"repeated":1`))
}
