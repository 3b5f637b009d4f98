//go:build !linux

package ws

import "log/slog"

// poller is for Linux: on other systems every connection has a reader.
type poller struct{}

func newPoller(*slog.Logger) *poller { return nil }

func (*poller) add(*socket) bool { return false }
func (*poller) remove(*socket)   {}
func (*poller) run()             {}
func (*poller) stop()            {}
func (*poller) close()           {}
