package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/inbox"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// publishTimeout is how long a publish may take to be durable.
const publishTimeout = 10 * time.Second

// authenticated lets h serve those who present a valid token, and nobody keep
// the answer.
func (a *api) authenticated(h func(echo.Context, notify.Principal) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		token, err := auth.Bearer(c.Request())
		if err != nil {
			return err
		}
		by, err := a.Verifier.Verify(c.Request().Context(), token)
		if err != nil {
			return err
		}
		return h(c, by)
	}
}

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
	call, err := callOf(c, "/notify")
	if err != nil {
		return err
	}
	body, err := readJSON(c, maxNotifyBody)
	if err != nil {
		return err
	}
	d, err := wire.Draft(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), publishTimeout)
	defer cancel()
	r, err := a.Publisher.Publish(ctx, by, call, d)
	if err != nil {
		return err
	}
	return accepted(c, wire.ReceiptOf(r))
}

// publishBatch serves POST /notify/batch.
func (a *api) publishBatch(c echo.Context, by notify.Principal) error {
	call, err := callOf(c, "/notify/batch")
	if err != nil {
		return err
	}
	body, err := readJSON(c, maxBatchBody)
	if err != nil {
		return err
	}
	items, err := wire.Batch(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), publishTimeout)
	defer cancel()
	return accepted(c, a.batchAnswer(c, a.Publisher.PublishBatch(ctx, by, call, items)))
}

// batchAnswer is what became of each item: its receipt or its problem.
type batchAnswer struct {
	Failed  int   `json:"failed"`
	Results []any `json:"results"`
}

func (a *api) batchAnswer(c echo.Context, results []inbox.Result) batchAnswer {
	answer := batchAnswer{Results: make([]any, len(results))}
	for i, r := range results {
		if r.Err != nil {
			answer.Failed++
			answer.Results[i] = problemOf(r.Err, c, a.Logger)
			continue
		}
		told := wire.ReceiptOf(r.Receipt)
		told.Status = http.StatusAccepted
		answer.Results[i] = told
	}
	return answer
}

// accepted answers 202 with v.
func accepted(c echo.Context, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return c.JSONBlob(http.StatusAccepted, body)
}

// callOf returns where a publish came from, with its idempotency key. The path
// is the contract's: a retry counts as one whatever the base path has become.
func callOf(c echo.Context, path string) (inbox.Call, error) {
	lines := c.Request().Header.Values("Idempotency-Key")
	switch len(lines) {
	case 0:
		return inbox.Call{Path: path}, nil
	case 1:
		key, err := notify.ParseKey(lines[0])
		return inbox.Call{Path: path, Key: key}, err
	}
	return inbox.Call{}, notify.Errorf(notify.ErrMalformed, "there are two Idempotency-Key headers")
}
