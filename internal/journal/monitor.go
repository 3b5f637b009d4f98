package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/text"
)

// Times of the monitor.
const (
	monitorEvery   = 10 * time.Second
	monitorTimeout = 3 * time.Second
	maxMonitorBody = 1 << 20
)

// Monitor checks on the monitoring port of each NATS server that JetStream syncs every write
// (sync_interval: always). With the default, a power cut of two servers loses what was
// answered with 202. Nothing in the protocol of NATS shows this setting.
type Monitor struct {
	urls   []string
	client *http.Client
	logger *slog.Logger
	fault  atomic.Pointer[error]
	found  atomic.Pointer[Servers]
}

// Servers are the numbers of NATS servers that the last check of a Monitor has found.
type Servers struct {
	Synced      int // those that sync every write
	Unsynced    int
	Unreachable int
}

// NewMonitor returns a monitor of the servers with the monitoring URLs, such as
// http://nats-1:8222.
func NewMonitor(urls []string, logger *slog.Logger) *Monitor {
	m := &Monitor{urls: urls, client: &http.Client{Timeout: monitorTimeout}, logger: logger}
	starting := notify.Unavailable(notify.CauseJournal, "the settings of the NATS servers are not checked yet")
	m.fault.Store(&starting)
	return m
}

// Ready returns nil if the last check has found all reachable servers to sync every write, and
// at least one to be reachable. A server that cannot be reached does not count: it may be down,
// and the others have a quorum or refuse to store.
func (m *Monitor) Ready() error {
	if err := m.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// Servers returns the result of the last check; ok is false before the first.
func (m *Monitor) Servers() (s Servers, ok bool) {
	if found := m.found.Load(); found != nil {
		return *found, true
	}
	return Servers{}, false
}

// Run checks the servers until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	tick := time.NewTicker(monitorEvery)
	defer tick.Stop()
	for {
		m.check(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *Monitor) check(ctx context.Context) {
	var wrong, unreachable []string
	for _, address := range m.urls {
		switch err := m.checkServer(ctx, address); {
		case errors.Is(err, errNotSynced):
			wrong = append(wrong, text.HideURL(address))
		case err != nil:
			unreachable = append(unreachable, text.HideURL(address))
			m.logger.Warn("a NATS server cannot be monitored", "url", text.HideURL(address), "error", err)
		}
	}
	if ctx.Err() != nil {
		return
	}
	m.found.Store(&Servers{len(m.urls) - len(wrong) - len(unreachable), len(wrong), len(unreachable)})
	var fault error
	switch {
	case len(wrong) > 0:
		fault = notify.Unavailable(notify.CauseJournal, "these NATS servers do not sync every write: %s; set sync_interval: always in their JetStream configuration",
			strings.Join(wrong, ", "))
	case len(unreachable) == len(m.urls):
		fault = notify.Unavailable(notify.CauseJournal, "no NATS server can be monitored: %s", strings.Join(unreachable, ", "))
	default:
		m.fault.Store(nil)
		return
	}
	if before := m.fault.Swap(&fault); before == nil || (*before).Error() != fault.Error() {
		m.logger.Error("the NATS servers are not safe; this node is not ready", "error", fault)
	}
}

// errNotSynced says that a server does not sync every write.
var errNotSynced = errors.New("the server does not sync every write")

func (m *Monitor) checkServer(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/jsz?config=true", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := m.client.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err // without the URL, which may have a password
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers with status %d", resp.StatusCode)
	}
	var jsz struct {
		Config struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxMonitorBody)).Decode(&jsz); err != nil {
		return fmt.Errorf("it does not answer with JSON: %w", err)
	}
	if !jsz.Config.SyncAlways {
		return errNotSynced
	}
	return nil
}
