package telemetry

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Bounds on the lines with the same message. Clients cause log lines with their requests and
// frames, and must not be able to fill the log.
const (
	repeatPeriod = 10 * time.Second
	maxLines     = 20  // of one message in a period
	maxMessages  = 256 // counted separately in a period; all others share one count
)

const otherMessages = "other messages"

// isIncidental reports whether lines that differ only in this attribute, such as the
// connection, are equal.
func isIncidental(key string) bool {
	switch key {
	case "request_id", "instance", "trace", "connection", "user", "address", "sent", "stack", "took", "item", "ref":
		return true
	}
	return false
}

// repeats is a slog.Handler that writes equal lines once in a period, and at most maxLines
// different lines with the same message; it counts the rest. At the end of the period it
// writes the first of the counted lines of each message, with their number in the attribute
// "repeated". Lines with different values of the attribute "problem" count as different
// messages, so that requests of strangers do not displace others. Lines at debug level are all
// written, and so are those with audit=true about an action of an operator.
type repeats struct {
	next   slog.Handler
	counts *counts
	kind   string // part of the kind of each line: the attributes of the logger
}

func newRepeats(next slog.Handler, level slog.Leveler) repeats {
	return repeats{next: next, counts: &counts{level: level, messages: map[string]*count{}}}
}

// counts has the lines of this period by message.
type counts struct {
	level slog.Leveler // below it, lines are not written anyway

	mu       sync.Mutex
	messages map[string]*count
	timer    *time.Timer    // ends the period; nil: no period has begun
	ending   sync.WaitGroup // counts the timers that are set or whose function runs
	total    uint64         // lines that were counted instead of written
	closed   bool
}

// count has the lines of one message.
type count struct {
	written  int
	kinds    map[string]struct{} // of the written lines
	repeated uint64
	first    slog.Record  // of the counted lines
	handler  slog.Handler // of first
}

// Enabled is of slog.Handler.
func (r repeats) Enabled(ctx context.Context, l slog.Level) bool { return r.next.Enabled(ctx, l) }

// WithAttrs is of slog.Handler.
func (r repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	kind := r.kind
	for _, a := range attrs {
		kind += kindOf(a)
	}
	return repeats{r.next.WithAttrs(attrs), r.counts, kind}
}

// WithGroup is of slog.Handler.
func (r repeats) WithGroup(name string) slog.Handler {
	return repeats{r.next.WithGroup(name), r.counts, r.kind}
}

// Handle is of slog.Handler.
func (r repeats) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelInfo && !isAction(record) && r.counts.isRepeated(record, r) {
		return nil
	}
	return r.next.Handle(ctx, record)
}

// isAction reports whether a line is about an action of an operator. Lines of package audit
// about requests that were refused or failed are not: anybody can cause them.
func isAction(record slog.Record) bool {
	audit, refused := false, false
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "audit":
			audit = a.Value.Kind() == slog.KindBool && a.Value.Bool()
		case "outcome":
			outcome := a.Value.String()
			refused = outcome == "refused" || outcome == "failed"
		}
		return true
	})
	return audit && !refused
}

// groupOf returns the text by which the lines are counted: the message, and the problem if the
// line is about one.
func groupOf(record slog.Record) string {
	group := record.Message
	record.Attrs(func(a slog.Attr) bool {
		if a.Key != "problem" {
			return true
		}
		group += "\x00" + a.Value.String()
		return false
	})
	return group
}

// isRepeated reports whether the line is only counted, and counts it.
func (c *counts) isRepeated(record slog.Record, r repeats) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if c.timer == nil {
		c.ending.Add(1)
		c.timer = time.AfterFunc(repeatPeriod, func() {
			defer c.ending.Done()
			c.endPeriod()
		})
	}
	n := c.ofLocked(groupOf(record))
	if n.written < maxLines {
		kind := r.kindOf(record)
		if _, known := n.kinds[kind]; !known {
			n.kinds[kind] = struct{}{}
			n.written++
			return false
		}
	}
	if n.repeated == 0 {
		n.first, n.handler = frozen(record), r.next
	}
	n.repeated++
	if record.Level >= c.level.Level() {
		c.total++
	}
	return true
}

func (c *counts) ofLocked(message string) *count {
	if c.messages[message] == nil && len(c.messages) >= maxMessages {
		message = otherMessages
	}
	n := c.messages[message]
	if n == nil {
		n = &count{kinds: map[string]struct{}{}}
		c.messages[message] = n
	}
	return n
}

// frozen returns a copy of the record with the present texts of its errors, which may change
// later.
func frozen(record slog.Record) slog.Record {
	c := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	record.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(err.Error())
		}
		c.AddAttrs(a)
		return true
	})
	return c
}

// kindOf returns a text that is equal for equal lines.
func (r repeats) kindOf(record slog.Record) string {
	var kind strings.Builder
	kind.WriteString(record.Level.String() + record.Message + r.kind)
	audit := isAudit(record)
	record.Attrs(func(a slog.Attr) bool {
		if audit && a.Key == "user" { // the principal of the line
			a.Key = "principal"
		}
		kind.WriteString(kindOf(a))
		return true
	})
	return kind.String()
}

func kindOf(a slog.Attr) string {
	if isIncidental(a.Key) {
		return ""
	}
	return "\x00" + a.Key + "\x00" + a.Value.String()
}

// endPeriod writes a line for each message with counted lines.
func (c *counts) endPeriod() {
	for _, n := range c.reset() {
		if n.repeated > 0 {
			n.first.AddAttrs(slog.Uint64("repeated", n.repeated))
			_ = n.handler.Handle(context.Background(), n.first) // an Output never fails
		}
	}
}

func (c *counts) reset() map[string]*count {
	c.mu.Lock()
	defer c.mu.Unlock()
	messages := c.messages
	c.messages, c.timer = map[string]*count{}, nil
	return messages
}

// close ends the period. All later lines are written. No line about counted lines is written
// after close has returned.
func (c *counts) close() {
	c.mu.Lock()
	c.closed = true
	if c.timer != nil && c.timer.Stop() {
		c.ending.Done()
	}
	c.mu.Unlock()
	c.endPeriod()
	c.ending.Wait()
}

func (c *counts) repeated() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}
