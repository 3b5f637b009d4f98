package monitor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process is scraped in the format that has native histograms. Queries on them give a percentile, and count the
// same observations as the classic histograms of the same answer.
func TestNativeHistogramsAreScrapedAndQueried(t *testing.T) {
	p, h := start(t, "native"), newHistory(t)
	p.awaitReady()
	for range 5 {
		p.visit()
		body, contentType := p.metricsIn(asProtobuf)
		require.True(t, strings.HasPrefix(contentType, "application/vnd.google.protobuf"), contentType)
		h.now = h.now.Add(time.Minute)
		h.scrape(p.name, body, contentType)
	}
	one := func(expr, name string) float64 { return h.one(fmt.Sprintf(expr, name)) }
	for _, name := range []string{
		"bellhop_publish_duration_seconds", "bellhop_delivery_duration_seconds", "bellhop_http_request_duration_seconds",
		"bellhop_journal_commit_duration_seconds", "bellhop_store_sync_duration_seconds", "bellhop_replay_notifications",
	} {
		native, classic := one("histogram_count(sum(rate(%s[5m])))", name), one("sum(rate(%s_count[5m]))", name)
		require.Positive(t, native, name)
		require.InEpsilon(t, classic, native, 1e-9, name)
		require.Positive(t, one("histogram_quantile(0.99, sum(rate(%s[5m])))", name), name)
	}
}
