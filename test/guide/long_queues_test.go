//go:build linux

package guide

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/slow"
)

// longQueues runs a node whose clients read nothing, so that its queues are near their limit. The commands show these
// clients. With shorter queues the node closes them, and its queues stay short while such clients come back.
func longQueues(t *testing.T, c chapter) {
	m := newMachine(t, "queued_bytes: 8MiB", "queue_bytes: 2MiB")
	m.set("QUEUE=64KiB")
	m.start()
	m.stallClients(4, 5<<20)
	show := c.next()
	eachWaits := regexp.MustCompile(`(?m)^[1-9]\d* ` + regexp.QuoteMeta(m.public) + ` 127\.0\.0\.1:\d+$`)
	require.EventuallyWithT(t, func(c *assert.CollectT) { // now and then one is just coming back
		out, err := m.bash(m.home, show.text)
		assert.NoError(c, err, out)
		assert.Regexp(c, `bellhop_connections\{transport="websocket"\} 4\n`, out)
		assert.Regexp(c, `bellhop_queued_bytes [5-8]\d{6} .*\nbellhop_queued_bytes_limit 8388608\n`, out)
		assert.Len(c, eachWaits.FindAllString(out, -1), 4, out)
	}, timeout, time.Millisecond)
	m.run(c.next())
	m.waitFor("journalctl -u bellhop", `"code":4408`)
	m.waitForMatch("bellhop metrics queued_bytes", `^bellhop_queued_bytes \d{1,6}\b`)
}

// stallClients keeps a number of clients connected that read nothing, with queues of some bytes in all, until the test ends.
// The service closes such clients after ten seconds, so there are new ones earlier.
func (m *machine) stallClients(number int, bytes float64) {
	ctx, stop := context.WithCancel(m.t.Context())
	var running sync.WaitGroup
	m.t.Cleanup(func() { stop(); running.Wait() })
	running.Go(func() {
		for visit := 0; ctx.Err() == nil; visit++ {
			var users []string
			for client := range number {
				users = append(users, fmt.Sprintf("user-%d-%d", client, visit))
			}
			m.stall(ctx, users, bytes)
		}
	})
}

// stall connects clients that read nothing. What is published to them is queued when the kernel takes no more.
func (m *machine) stall(ctx context.Context, users []string, bytes float64) {
	var conns []*websocket.Conn
	defer func() {
		for _, conn := range conns {
			_ = conn.CloseNow()
		}
	}()
	client := &http.Client{Transport: &http.Transport{DialContext: slow.Receiver(4096, 0).DialContext}}
	for _, user := range users {
		header := http.Header{"Authorization": {"Bearer " + token(m.t, user)}}
		conn, _, err := websocket.Dial(ctx, "ws://"+m.public+"/ws", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
		if err != nil {
			return // the test ends
		}
		conns = append(conns, conn)
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	filler, header := noise(16_000), http.Header{"Authorization": {"Bearer " + token(m.t, "backend", notify.ScopePublish)}, "Content-Type": {"application/json"}}
	for n := 0; ctx.Err() == nil; n++ {
		if m.queuedBytes(ctx) < bytes {
			item := fmt.Sprintf(`,{"to":{"users":[%q]},"type":"test","title":"x","data":{"filler":%q}}`, users[n%len(users)], filler)
			_ = request(ctx, http.MethodPost, "http://"+m.public+"/notify/batch", header, `{"notifications":[`+strings.Repeat(item, 16)[1:]+"]}")
			continue
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// queuedBytes returns bellhop_queued_bytes; 0: it is not known.
func (m *machine) queuedBytes(ctx context.Context) (bytes float64) {
	metrics := request(ctx, http.MethodGet, "http://"+m.admin+"/metrics", nil, "")
	if found := regexp.MustCompile(`(?m)^bellhop_queued_bytes (\S+)$`).FindStringSubmatch(metrics); found != nil {
		bytes, _ = strconv.ParseFloat(found[1], 64) // 0 if it is none
	}
	return bytes
}

// request sends a request, and returns the answer; empty: it failed, as it does at the end of a test.
func request(ctx context.Context, method, url string, header http.Header, body string) (answer string) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return ""
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // what there is
	return string(text)
}
