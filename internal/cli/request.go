package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// request sends one request with a token, and a body that is JSON unless it is nil. It returns the
// body of a successful answer; any other is a *problemError.
func (t *terminal) request(method, url, token string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.ctx, requestTimeout)
	defer cancel()
	resp, err := open(ctx, method, url, token, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return answer, nil
}

// requestInto is request, and decodes the answer.
func (t *terminal) requestInto(to any, method, url, token string, body []byte) error {
	answer, err := t.request(method, url, token, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, to); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// open sends one request. The caller must close the body of the answer, which is a successful one.
func open(ctx context.Context, method, url, token string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := (&http.Client{CheckRedirect: refuseRedirect}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // a partial body still explains the refusal
		return nil, problemOf(resp.StatusCode, resp.Header.Get("Retry-After"), answer)
	}
	return resp, nil
}
