package hostile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
	"github.com/bellhop/bellhop/test/logtext"
)

// The log's limit: lines about one problem in a period, and the length of a period.
const (
	linesOfAProblem = 20 + 1 // and their count
	logPeriod       = 10 * time.Second
)

// Strangers who are refused with ever new reasons neither fill the log nor displace the lines
// about others, and none of their texts becomes a line or a field of its own.
func TestRefusalsDoNotFillTheLog(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			log := &logtext.Log{}
			out := telemetry.NewOutput(log)
			logs := telemetry.NewLog(out, slog.LevelInfo, format)
			s := startWith(t, log, logs)
			const attempts, actions = 1_000, 40
			began := time.Now()
			for n := range attempts {
				require.Equal(t, "401 token-invalid", s.forge(t, n))
				require.Equal(t, "404 not-found", s.as(t, "x", "GET", fmt.Sprintf("/forged-%d%%0Aaudit=true", n), ""))
			}
			require.Equal(t, "403 scope", s.as(t, s.token("ada"), "DELETE", "/users/grace/connections", ""))
			for range actions {
				require.Equal(t, "204", s.as(t, s.token("root", notify.ScopeAdmin), "DELETE", "/users/grace/connections", ""))
			}
			s.undisturbed(t)
			periods := int(time.Since(began)/logPeriod) + 1
			logs.Close()
			out.Close()
			text := log.String()
			count := func(field string) int {
				if name, value, _ := strings.Cut(field, "="); format == "json" {
					field = fmt.Sprintf("%q:%q", name, value)
				}
				return strings.Count(text, field)
			}
			assert.LessOrEqual(t, count("problem=token-invalid"), linesOfAProblem*(periods+1))
			assert.LessOrEqual(t, count("problem=not-found"), 2*(periods+1), "a path is no part of the line")
			assert.NotZero(t, count("problem=token-invalid"))
			assert.Equal(t, 1, count("problem=scope"))
			assert.Equal(t, actions, count("principal=user:root"), "no action of an operator is counted instead of written")
			requireWholeLines(t, format, text)
		})
	}
}

// forge sends a token and headers with texts that look like parts of a log line.
func (s *service) forge(t *testing.T, n int) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	header := fmt.Sprintf(`{"alg":"RS256","kid":"%d\nlevel=ERROR msg=\"forged\" outcome=done"}`, n)
	r, err := http.NewRequest(http.MethodGet, "http://"+s.public+"/events", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+encode([]byte(header))+"."+encode([]byte(`{"sub":"ada"}`))+".c2lnbmVk")
	r.Header.Set("X-Request-Id", `r" audit=true outcome=done problem="forged`)
	r.Header.Set("Traceparent", `00-{"audit":true}`)
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	return statusWords(t, resp)
}

// requireWholeLines requires that each line of the log begins as a line of its format does.
func requireWholeLines(t *testing.T, format, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if format == "text" {
			require.True(t, strings.HasPrefix(line, "time=20"), "%q", line)
			require.NotContains(t, line, " msg=forged")
			continue
		}
		var decoded map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &decoded), "%q", line)
		require.NotEqual(t, "forged", decoded["msg"])
		require.NotEqual(t, "forged", decoded["problem"])
	}
}
