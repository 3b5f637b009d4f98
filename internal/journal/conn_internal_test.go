package journal

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
)

// Each subject that NATS refuses is logged once a minute, however often it is refused.
func TestARefusedSubjectIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log := &connLog{logger: slog.New(slog.NewTextHandler(&text, nil))}
		refuse := func(subject string) {
			log.error(nil, nil, fmt.Errorf("%w: publish to %s", nats.ErrPermissionViolation, subject))
		}
		lines := func() int { return strings.Count(text.String(), "level=ERROR") }
		for range 50 {
			refuse("one")
			refuse("two")
			time.Sleep(time.Second)
		}
		assert.Equal(t, 2, lines(), text.String())
		time.Sleep(10 * time.Second)
		refuse("one")
		assert.Equal(t, 3, lines(), "a fault that remains is not forgotten")
		for range 3 {
			log.error(nil, nil, nats.ErrSlowConsumer)
		}
		assert.Equal(t, 3, strings.Count(text.String(), "level=WARN"), "other errors are not limited")
	})
}
