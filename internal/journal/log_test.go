package journal_test

import (
	"log/slog"
	"strings"

	"github.com/bellhop/bellhop/test/logtext"
)

// lines are the lines that a node has logged.
type lines struct{ logtext.Log }

// about returns the lines whose message begins with a word, without the time and the message.
func (l *lines) about(word string) (found []string) {
	for line := range strings.Lines(l.String()) {
		level, rest, _ := strings.Cut(line, " ")
		if message, attributes, _ := strings.Cut(rest, `" `); strings.HasPrefix(message, `msg="`+word) {
			found = append(found, level+" "+strings.TrimSpace(attributes))
		}
	}
	return found
}

// logger returns a logger that writes to l.
func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}
