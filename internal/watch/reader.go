package watch

import (
	"context"
	"fmt"
	"time"
)

// readTimeout is the maximum time for which a load waits for a file.
const readTimeout = 5 * time.Second

// reader reads files that may be on a network file system. If the server of the file system
// is unreachable, a read may never return, and it cannot be cancelled. Reloads and the stop
// of the service do not wait for such a read: its goroutine is left behind, at most one for
// each file. A reader must not be used concurrently.
type reader struct {
	most    int64
	read    func(path string, most int64) ([]byte, error)
	pending map[string]chan content // reads that have not returned, by path
}

type content struct {
	data []byte
	err  error
}

// content returns the content of the file at path, or an error after readTimeout.
func (r *reader) content(ctx context.Context, path string) ([]byte, error) {
	answer := r.pending[path]
	if answer == nil {
		answer = make(chan content, 1)
		go func() {
			data, err := r.read(path, r.most)
			answer <- content{data, err}
		}()
	}
	timer := time.NewTimer(readTimeout)
	defer timer.Stop()
	select {
	case c := <-answer:
		delete(r.pending, path)
		return c.data, c.err
	case <-timer.C:
	case <-ctx.Done():
	}
	if r.pending == nil {
		r.pending = map[string]chan content{}
	}
	r.pending[path] = answer
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("the file could not be read within %s", readTimeout)
}
