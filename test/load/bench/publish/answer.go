//go:build linux

package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
)

// errShort means that the response is incomplete.
var errShort = errors.New("incomplete response")

var (
	endOfHead  = []byte("\r\n\r\n")
	sizeField  = []byte("\r\nContent-Length: ")
	chunkField = []byte("\r\nTransfer-Encoding: chunked")
	lastChunk  = []byte("0\r\n\r\n")
	itemStatus = []byte(`"status":`)
	itemStored = []byte(`"status":202`)
)

const statusStart = len("HTTP/1.1 ")

// check returns nil if data is a complete response that accepts a number of notifications,
// errShort if it is incomplete, and another error if it does not accept them. It reads
// responses as net/http writes them, with one request under way at a time.
func check(data []byte, notifications int) error {
	headEnd := bytes.Index(data, endOfHead)
	if headEnd < 0 {
		return errShort
	}
	head, body := data[:headEnd+2], data[headEnd+len(endOfHead):]
	body, err := whole(head, body)
	if err != nil {
		return err
	}
	status, err := strconv.Atoi(string(head[statusStart:min(statusStart+3, len(head))]))
	if err != nil || status != http.StatusAccepted {
		return fmt.Errorf("not accepted: %.600q", data)
	}
	if notifications == 1 {
		return nil
	}
	if n := bytes.Count(body, itemStored); n != notifications || n != bytes.Count(body, itemStatus) {
		return fmt.Errorf("%d of %d in the batch accepted: %.600q", n, notifications, data)
	}
	return nil
}

// whole returns the body of a response, or errShort if it is incomplete.
func whole(head, body []byte) ([]byte, error) {
	if bytes.Contains(head, chunkField) {
		if !bytes.HasSuffix(body, lastChunk) {
			return nil, errShort
		}
		return io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	}
	_, after, found := bytes.Cut(head, sizeField)
	if !found {
		return nil, fmt.Errorf("no Content-Length in %.300q", head)
	}
	digits, _, _ := bytes.Cut(after, []byte("\r\n"))
	size, err := strconv.Atoi(string(digits))
	switch {
	case err != nil || len(body) > size:
		return nil, fmt.Errorf("%d bytes follow %.300q", len(body), head)
	case len(body) < size:
		return nil, errShort
	}
	return body, nil
}
