package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// The paths for publishing.
const (
	notifyPath = "/notify"
	batchPath  = "/notify/batch"
)

// publish serves POST /notify.
func (a *api) publish(c echo.Context, by notify.Principal) error {
	call, err := callOf(c, notifyPath)
	if err != nil {
		return err
	}
	body, err := a.readJSON(c, by.Name, maxNotifyBody, &a.budgets.publishing)
	if err != nil {
		return err
	}
	return a.publishBody(c, by, call, body)
}

// publishBody publishes the notification in body, and answers.
func (a *api) publishBody(c echo.Context, by notify.Principal, call service.Call, body []byte) error {
	d, err := wire.Draft(body)
	if err != nil {
		return err
	}
	r, err := a.Service.Publish(a.publishContext(c), by, call, d)
	if err != nil {
		return err
	}
	aim(c, r.ID)
	var t tally
	t.add(call, &d, r)
	a.noteTally(c, t)
	return answerJSON(c, http.StatusAccepted, wire.AppendReceipt(make([]byte, 0, 128), 0, r))
}

// publishBatch serves POST /notify/batch.
func (a *api) publishBatch(c echo.Context, by notify.Principal) error {
	call, err := callOf(c, batchPath)
	if err != nil {
		return err
	}
	body, err := a.readJSON(c, by.Name, maxBatchBody, &a.budgets.publishing)
	if err != nil {
		return err
	}
	items, err := wire.Batch(body)
	if err != nil {
		return err
	}
	results := a.Service.PublishBatch(a.publishContext(c), by, call, items)
	var t tally
	for i := range results {
		if results[i].Err == nil {
			t.add(call, &items[i].Draft, results[i].Receipt)
		}
	}
	a.noteTally(c, t)
	return answerJSON(c, http.StatusAccepted, a.batchAnswer(c, by, results))
}

// batchAnswer returns the receipt or the problem of each item.
func (a *api) batchAnswer(c echo.Context, by notify.Principal, results []service.Result) []byte {
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
		}
	}
	body := append(make([]byte, 0, 128*(1+len(results))), `{"failed":`...)
	body = append(strconv.AppendInt(body, int64(failed), 10), `,"results":[`...)
	for i, r := range results {
		if i > 0 {
			body = append(body, ',')
		}
		if r.Err != nil {
			a.refusedItem(c, by, i, r.Err)
			body = append(body, problem.OfRequest(c.Response().Header(), c.Request(), r.Err).JSON()...)
			continue
		}
		body = wire.AppendReceipt(body, http.StatusAccepted, r.Receipt)
	}
	return append(body, `]}`...)
}

// callOf returns the path and the idempotency key of a publish. The path is without the
// base path, so that a retry counts as one after that has changed.
func callOf(c echo.Context, path string) (service.Call, error) {
	lines := c.Request().Header.Values("Idempotency-Key")
	switch len(lines) {
	case 0:
		return service.Call{Path: path}, nil
	case 1:
		key, err := notify.ParseKey(lines[0])
		return service.Call{Path: path, Key: key}, err
	}
	return service.Call{}, notify.Errorf(notify.ErrMalformed, "there must be at most one Idempotency-Key header")
}

// orSigned serves a request that is signed as Standard Webhooks defines it, and passes
// any other to h.
func (a *api) orSigned(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if auth.IsWebhook(c.Request().Header) {
			return a.publishSigned(c)
		}
		return h(c)
	}
}

// publishSigned serves POST /notify for a webhook. The signature covers the body, so
// the body is read before the caller is authenticated.
func (a *api) publishSigned(c echo.Context) error {
	c.Response().Header()[echo.HeaderCacheControl] = noStore
	h := c.Request().Header
	switch {
	case len(h.Values(echo.HeaderAuthorization)) > 0:
		return notify.Errorf(notify.ErrMalformed, "the request has a webhook signature and an Authorization header; send only one of them")
	case len(h.Values("Idempotency-Key")) > 0:
		return notify.Errorf(notify.ErrMalformed, "a webhook's webhook-id is its idempotency key; send no Idempotency-Key header")
	}
	if err := a.Verifier.CheckWebhook(h); err != nil {
		return err
	}
	body, err := a.readJSON(c, "", maxNotifyBody, &a.budgets.unsigned)
	if err != nil {
		return err
	}
	by, id, err := a.Verifier.VerifyWebhook(h, body)
	if err != nil {
		return err
	}
	a.noteCaller(c, by)
	if err := a.publishAs(c, by, service.Call{Path: notifyPath, Key: id}, body); err != nil {
		return &refusal{err, by}
	}
	return nil
}

// publishAs publishes the body that the webhook by has signed.
func (a *api) publishAs(c echo.Context, by notify.Principal, call service.Call, body []byte) error {
	if err := a.Requests.Allow(by); err != nil {
		return err
	}
	if err := by.MayPublish(); err != nil {
		return err
	}
	return a.publishBody(c, by, call, body)
}

// commitTimeout bounds the time until a publish or a mark is durable.
const commitTimeout = 10 * time.Second

// sharedTimeout makes contexts that end after commitTimeout. Requests that come within
// shareFor share one, which ends commitTimeout after the first of them: a timer and a
// channel for each request would cost more than reading its body. A client that leaves
// does not end the context, since its entry may be committing.
type sharedTimeout struct {
	mu    sync.Mutex
	ctx   context.Context
	start time.Time // of ctx
}

// shareFor is by how much the time of a request may be less than commitTimeout.
const shareFor = 50 * time.Millisecond

func (t *sharedTimeout) context() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.ctx == nil || now.Sub(t.start) >= shareFor {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(commitTimeout, cancel)
		t.ctx, t.start = ctx, now
	}
	return t.ctx
}
