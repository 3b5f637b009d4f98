package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// The paths of publishing.
const (
	notifyPath = "/notify"
	batchPath  = "/notify/batch"
)

// publishing lets h serve those who may publish to somebody: a body is not read
// for others.
func (a *api) publishing(h func(echo.Context, notify.Principal) error) echo.HandlerFunc {
	return a.authenticated(func(c echo.Context, by notify.Principal) error {
		if err := by.MayPublish(); err != nil {
			return err
		}
		return h(c, by)
	})
}

// publish serves POST /notify.
func (a *api) publish(c echo.Context, by notify.Principal) error {
	call, err := callOf(c, notifyPath)
	if err != nil {
		return err
	}
	body, err := a.readJSON(c, by.Name, maxNotifyBody, &a.pools.publishing)
	if err != nil {
		return err
	}
	return a.publishBody(c, by, call, body)
}

// publishBody publishes what body says, and answers.
func (a *api) publishBody(c echo.Context, by notify.Principal, call service.Call, body []byte) error {
	d, err := wire.Draft(body)
	if err != nil {
		return err
	}
	r, err := a.Publisher.Publish(a.patience.context(), by, call, d)
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusAccepted, wire.AppendReceipt(make([]byte, 0, 128), 0, r))
}

// publishBatch serves POST /notify/batch.
func (a *api) publishBatch(c echo.Context, by notify.Principal) error {
	call, err := callOf(c, batchPath)
	if err != nil {
		return err
	}
	body, err := a.readJSON(c, by.Name, maxBatchBody, &a.pools.publishing)
	if err != nil {
		return err
	}
	items, err := wire.Batch(body)
	if err != nil {
		return err
	}
	results := a.Publisher.PublishBatch(a.patience.context(), by, call, items)
	return answerJSON(c, http.StatusAccepted, a.batchAnswer(c, results))
}

// batchAnswer tells what became of each item: its receipt or its problem.
func (a *api) batchAnswer(c echo.Context, results []service.Result) []byte {
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
		}
	}
	told := append(make([]byte, 0, 128*(1+len(results))), `{"failed":`...)
	told = append(strconv.AppendInt(told, int64(failed), 10), `,"results":[`...)
	for i, r := range results {
		if i > 0 {
			told = append(told, ',')
		}
		if r.Err != nil {
			logInternal(r.Err, c, a.Logger)
			told = append(told, problem.OfRequest(c.Response().Header(), r.Err).JSON()...)
			continue
		}
		told = wire.AppendReceipt(told, http.StatusAccepted, r.Receipt)
	}
	return append(told, `]}`...)
}

// answer answers with v as JSON.
func answer(c echo.Context, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return answerJSON(c, status, body)
}

// Headers that many answers share; what is in such a list never changes.
var (
	noStore  = []string{"no-store"}
	byOrigin = []string{echo.HeaderOrigin}
	asJSON   = []string{echo.MIMEApplicationJSON}
)

// answerJSON answers with body, which is JSON.
func answerJSON(c echo.Context, status int, body []byte) error {
	c.Response().Header()[echo.HeaderContentType] = asJSON
	c.Response().WriteHeader(status)
	_, err := c.Response().Write(body)
	return err
}

// callOf returns where a publish came from, with its idempotency key. The path
// is the contract's: a retry counts as one whatever the base path has become.
func callOf(c echo.Context, path string) (service.Call, error) {
	lines := c.Request().Header.Values("Idempotency-Key")
	switch len(lines) {
	case 0:
		return service.Call{Path: path}, nil
	case 1:
		key, err := notify.ParseKey(lines[0])
		return service.Call{Path: path, Key: key}, err
	}
	return service.Call{}, notify.Errorf(notify.ErrMalformed, "there are two Idempotency-Key headers")
}
