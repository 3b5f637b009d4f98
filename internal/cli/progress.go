package cli

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// progressEvery is the interval at which a line of progress is written.
const progressEvery = 200 * time.Millisecond

// progress shows on a terminal how far an operation is that takes long: bytes, their rate, and
// the time that is left. It writes nothing to anything else, such as a file or a pipe.
type progress struct {
	w     io.Writer
	what  string // such as "backup"
	begun time.Time

	done, total atomic.Int64 // bytes; total is 0 until it is known

	ending  chan struct{}
	showing sync.WaitGroup
}

// progress begins to show the progress of an operation. The caller must end it.
func (t *terminal) progress(what string) *progress {
	p := &progress{what: what, begun: time.Now(), ending: make(chan struct{})}
	if isTerminal(t.stderr) && t.getenv("TERM") != "dumb" {
		p.w = t.stderr
		p.showing.Go(p.show)
	}
	return p
}

// set notes how many bytes are done. Any goroutine may call it.
func (p *progress) set(done, total int64) {
	p.total.Store(total)
	p.done.Store(done)
}

// end stops showing the progress and clears its line.
func (p *progress) end() {
	close(p.ending)
	p.showing.Wait()
}

func (p *progress) show() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.ending:
			_, _ = io.WriteString(p.w, "\r\x1b[K") // errors mean that nobody reads it
			return
		case <-tick.C:
			_, _ = fmt.Fprintf(p.w, "\r%s\x1b[K", p.line(time.Since(p.begun)))
		}
	}
}

// line returns the line after a time. It is shorter than 80 characters.
func (p *progress) line(after time.Duration) string {
	done, total := p.done.Load(), p.total.Load()
	if total == 0 {
		return fmt.Sprintf("%s: waiting for %s", p.what, after.Round(time.Second))
	}
	line := fmt.Sprintf("%s: %s of %s", p.what, byteSize(done), byteSize(total))
	rate := float64(done) / after.Seconds()
	if rate < 1 {
		return line
	}
	left := time.Duration(float64(max(0, total-done)) / rate * float64(time.Second))
	return fmt.Sprintf("%s (%d %%), %s/s, %s left", line, done*100/total, byteSize(int64(rate)), left.Round(time.Second))
}

// byteSize returns a number of bytes as people read it.
func byteSize(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n)/unit, "kMGTPE"
	for value >= unit-0.05 && len(units) > 1 {
		value, units = value/unit, units[1:]
	}
	return fmt.Sprintf("%.1f %cB", value, units[0])
}
