package hub

import "github.com/bellhop/bellhop/internal/notify"

// Metrics counts what happens to connections. Its methods are called with
// locks held: they neither wait nor call the hub.
type Metrics interface {
	Opened()
	Closed(why notify.Close)
	Delivered(frames int)              // written to the transport
	Dropped(frames int, reason string) // queued but never written; reason is that of the close, or DropJoining
}

// DropJoining is the reason for dropping ephemeral frames that came while a
// connection was catching up and were more than are held for it.
const DropJoining = "joining"

type noMetrics struct{}

func (noMetrics) Opened()             {}
func (noMetrics) Closed(notify.Close) {}
func (noMetrics) Delivered(int)       {}
func (noMetrics) Dropped(int, string) {}
