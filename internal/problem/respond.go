package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// WebSocketVersion is the only version of RFC 6455, which an Upgrade answer names.
const WebSocketVersion = "13"

// witness is an http.ResponseWriter that logs each error with which Respond answers.
type witness interface {
	Refused(err error)
}

// Respond answers r with the problem details for err and the headers that belong to
// it. Headers that w has already stay, unless they are the same ones. If w has a method
// Refused(error), it receives err first.
func Respond(w http.ResponseWriter, r *http.Request, err error) {
	if logs, ok := w.(witness); ok {
		logs.Refused(err)
	}
	h, k := w.Header(), kindOf(err)
	k.setHeaders(h, err, r.ProtoMajor)
	d := OfRequest(h, r, err)
	body := d.JSON()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body))) // the answer may be flushed before the handler returns
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(d.Status)
	_, _ = w.Write(body) //nolint:gosec // JSON of the type set above; an error means that the client has gone
}

// setHeaders sets the headers that depend on err.
func (k *kind) setHeaders(h http.Header, err error, protoMajor int) {
	if k.challenge != "" {
		h.Set("WWW-Authenticate", k.challenge)
	}
	if k.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(k.retryAfter(err), 10))
	}
	switch k.status {
	case http.StatusTooManyRequests:
		k.setRate(h, err)
	case http.StatusUpgradeRequired:
		h.Set("Sec-WebSocket-Version", WebSocketVersion)
		if protoMajor == 1 { // HTTP/2 forbids both
			h.Set("Upgrade", "websocket")
			h.Add("Connection", "Upgrade") // keeps a "close"
		}
	}
}

// setRate names the limit that was reached, as revision 11 of
// draft-ietf-httpapi-ratelimit-headers defines it: RateLimit-Policy has the quota q and
// its window of w seconds, or the unit of a limit without a window; RateLimit says that
// r are left, and that more are available after t seconds.
func (k *kind) setRate(h http.Header, err error) {
	e, ok := errors.AsType[*notify.Error](err)
	if !ok || e.Rate.Name == "" {
		return
	}
	policy := fmt.Sprintf("%q;q=%d", e.Rate.Name, e.Rate.Quota)
	if e.Rate.Window > 0 {
		policy += fmt.Sprintf(";w=%d", int64(e.Rate.Window/time.Second))
	} else {
		policy += `;qu="concurrent-requests"`
	}
	h.Set("RateLimit-Policy", policy)
	h.Set("RateLimit", fmt.Sprintf("%q;r=0;t=%d", e.Rate.Name, k.retryAfter(err)))
}

// retryAfter returns the whole seconds after which a client may retry, at least one.
func (k *kind) retryAfter(err error) int64 {
	after := k.retry
	if e, ok := errors.AsType[*notify.Error](err); ok && e.RetryAfter > 0 {
		after = e.RetryAfter
	}
	return int64((after + time.Second - 1) / time.Second)
}
