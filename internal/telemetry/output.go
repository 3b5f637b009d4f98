package telemetry

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of an Output.
const (
	outputLines = 8 << 10     // in the queue
	outputBytes = 1 << 20     // in the queue
	maxFlush    = time.Second // for which Close waits for the writer
)

// Output passes lines to a writer that may block or fail, such as a pipe without a reader or
// a file on a full disk. Write queues a line and never blocks; one goroutine writes the
// queue in order. A line that does not fit into the queue, or that cannot be written, is
// dropped and counted, and the next line that can be written follows one with the number of
// dropped lines.
type Output struct {
	w io.Writer

	dropped atomic.Uint64
	wake    chan struct{} // has a value when the queue or closed has changed
	ended   chan struct{} // closed when it has returned

	mu     sync.Mutex
	queue  []queuedLine
	bytes  int    // of the queue
	lost   uint64 // lines dropped since the last one that was queued
	closed bool
	notice func(lost uint64) []byte // returns the line about dropped lines; nil: none is written

	// Touched by the goroutine alone.
	failed uint64 // dropped lines that are not reported yet
	torn   bool   // the last line was written partially
}

// queuedLine is a line and the number of lines dropped between it and the line before.
type queuedLine struct {
	text []byte
	lost uint64
}

// NewOutput returns an Output that writes to w. Close ends it.
func NewOutput(w io.Writer) *Output {
	o := &Output{w: w, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go o.run()
	return o
}

// Dropped returns how many lines were dropped.
func (o *Output) Dropped() uint64 { return o.dropped.Load() }

// Write queues a copy of p, which must be one or several whole lines. It never
// blocks and never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.queue) >= outputLines || o.bytes+len(p) > outputBytes {
		o.lost++
		o.dropped.Add(1)
	} else {
		o.queue = append(o.queue, queuedLine{append([]byte(nil), p...), o.lost})
		o.bytes += len(p)
		o.lost = 0
	}
	o.signal()
	return len(p), nil
}

func (o *Output) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // there is a signal already
	}
}

// Close writes the queue and waits for the goroutine to end. If the writer blocks for longer
// than a second, Close returns nevertheless, and the goroutine ends when the writer returns
// or with the process. Close may be called repeatedly.
func (o *Output) Close() {
	o.mu.Lock()
	o.closed = true
	o.signal()
	o.mu.Unlock()
	timer := time.NewTimer(maxFlush)
	defer timer.Stop()
	select {
	case <-o.ended:
	case <-timer.C:
	}
}

// run writes the queue until the output is closed and the queue is empty.
func (o *Output) run() {
	defer close(o.ended)
	for {
		line, ok, closed := o.next()
		switch {
		case ok:
			o.write(line)
		case closed:
			return
		default:
			<-o.wake
		}
	}
}

// next removes the first line of the queue. A line without text has the number of lines
// dropped after the last queued one.
func (o *Output) next() (line queuedLine, ok, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.queue) > 0:
		line, o.queue[0] = o.queue[0], queuedLine{} // frees its text while the array of the queue is in use
		o.queue = o.queue[1:]
		o.bytes -= len(line.text)
		return line, true, o.closed
	case o.lost > 0:
		line, o.lost = queuedLine{lost: o.lost}, 0
		return line, true, o.closed
	}
	o.queue = nil
	return line, false, o.closed
}

// write writes the line, after a line about the lines dropped before it.
func (o *Output) write(line queuedLine) {
	o.failed += line.lost
	if o.failed > 0 {
		notice := o.noticeOf(o.failed)
		if notice != nil && o.writeLine(notice) != nil {
			o.drop(line)
			return
		}
		o.failed = 0
	}
	if line.text != nil && o.writeLine(line.text) != nil {
		o.drop(line)
	}
}

func (o *Output) drop(line queuedLine) {
	if line.text != nil {
		o.failed++
		o.dropped.Add(1)
	}
}

func (o *Output) noticeOf(lost uint64) []byte {
	o.mu.Lock()
	notice := o.notice
	o.mu.Unlock()
	if notice == nil {
		return nil
	}
	return notice(lost)
}

// announce sets the function that returns the line about dropped lines.
func (o *Output) announce(notice func(lost uint64) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notice = notice
}

// errShort is the error for a writer that wrote a part of a line and returned no error.
var errShort = errors.New("short write")

// writeLine writes one line with one call. It begins a new line if the last one was written
// partially.
func (o *Output) writeLine(text []byte) error {
	if o.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := o.w.Write(text)
	if err == nil && n < len(text) {
		err = errShort
	}
	o.torn = err != nil && (o.torn || n > 0)
	return err
}
