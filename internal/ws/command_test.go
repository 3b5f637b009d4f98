package ws_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.rules.receipt = notify.Receipt{ID: "n1", Recipients: 2}
		w := s.pipe(t)
		w.expect(welcome, isLive)
		w.say(`{"event":"publish","ref":"7","key":"\"k\"","data":{"to":{"users":["ada","grace"]},"type":"t","title":"Hello"}}`)
		w.expect(`{"event":"reply","ref":"7","data":{"id":"n1","recipients":2,"duplicate":false}}`)
		s.rules.receipt = notify.Receipt{ID: "n2", Duplicate: true}
		w.say(`{"event":"publish","data":{"to":{"all":true},"type":"t"}}`)
		w.expect(`{"event":"reply","data":{"id":"n2","duplicate":true}}`)

		if got := s.rules.published; len(got) != 2 || got[0].Title != "Hello" || !got[1].All {
			t.Errorf("published %+v", got)
		}
		if got := s.rules.calls; got[0] != (service.Call{Path: "/notify", Key: "k"}) || got[1] != (service.Call{Path: "/notify"}) {
			t.Errorf("called %+v", got)
		}
	})
}

func TestRefusedCommands(t *testing.T) {
	problem := func(name string, status int) string {
		return `"type":"urn:bellhop:problem:` + name + `",` + `.*"status":` + strconv.Itoa(status)
	}
	const good = `{"event":"publish","ref":"r","data":{"to":{"all":true},"type":"t"}}`
	for name, c := range map[string]struct {
		said    string
		refusal error
		want    string
		also    string
	}{
		"unknown event":    {`{"event":"dance","ref":"r"}`, nil, problem("invalid", 422), `"pointer":"/event"`},
		"no event":         {`{"ref":"r"}`, nil, problem("invalid", 422), `"pointer":"/event"`},
		"unknown member":   {`{"event":"ping","ref":"r","x":1}`, nil, problem("invalid", 422), `"pointer":"/x"`},
		"no data":          {`{"event":"publish","ref":"r"}`, nil, problem("invalid", 422), `"pointer":"/data"`},
		"bad data":         {`{"event":"publish","ref":"r","data":{"to":{"all":true},"type":1}}`, nil, problem("invalid", 422), `"pointer":"/data/type"`},
		"bad key":          {`{"event":"publish","ref":"r","key":"é","data":{"to":{"all":true},"type":"t"}}`, nil, problem("malformed", 400), ""},
		"rules":            {good, notify.Invalid(notify.Fault{Pointer: "/type", Detail: "d"}), problem("invalid", 422), `"pointer":"/data/type"`},
		"scope":            {good, notify.Errorf(notify.ErrScope, "s"), problem("scope", 403), `"detail":"s"`},
		"not stored":       {good, notify.ErrUnavailable, problem("unavailable", 503), ""},
		"internal":         {good, errors.New("secret"), problem("internal", 500), ""},
		"duplicate member": {`{"event":"ping","event":"ping"}`, nil, problem("malformed", 400), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t)
				s.rules.refusal = c.refusal
				w := s.pipe(t)
				w.expect(welcome, isLive)
				w.say(c.said)
				_, payload, err := w.read()
				if err != nil {
					t.Fatal(err)
				}
				got := string(payload)
				head := `{"event":"error","ref":"r",`
				if name == "duplicate member" {
					head = `{"event":"error",`
				}
				first, second, _ := strings.Cut(c.want, ".*")
				if !strings.HasPrefix(got, head) || !strings.Contains(got, first) || !strings.Contains(got, second) ||
					!strings.Contains(got, c.also) || strings.Contains(got, "secret") {
					t.Errorf("received %s", got)
				}
				w.say(`{"event":"ping"}`) // and it goes on
				w.expect(`{"event":"reply","data":{}}`)
			})
		})
	}
}

func TestCommandTakesTenSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.rules.late = true
		w := s.pipe(t)
		w.expect(welcome, isLive)
		began := time.Now()
		w.say(`{"event":"publish","ref":"1","data":{"to":{"all":true},"type":"t"}}`)
		go w.say(`{"event":"ping","ref":"2"}`) // waits for its turn
		for {
			op, payload, err := w.read()
			if err != nil {
				t.Fatal(err)
			}
			if op == opPing {
				continue
			}
			if !strings.Contains(string(payload), "outcome-unknown") || time.Since(began) != 10*time.Second {
				t.Errorf("after %v: %s", time.Since(began), payload)
			}
			break
		}
		w.expect(`{"event":"reply","ref":"2","data":{}}`)
	})
}

func TestPanicInACommandEndsTheConnectionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.rules.panics = true
		w := s.pipe(t)
		w.expect(welcome, isLive)
		w.say(`{"event":"publish","data":{"to":{"all":true},"type":"t"}}`)
		w.expectEnd(1011, "internal")
	})
}

func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		for range 3 { // windows
			for range 100 {
				w.say(`{"event":"ping"}`)
				w.expect(`{"event":"reply","data":{}}`)
			}
			<-time.After(10 * time.Second)
			drainPings(w)
		}
		for range 100 {
			w.say(`{"event":"ping"}`)
			w.expect(`{"event":"reply","data":{}}`)
		}
		go w.say(`{"event":"ping"}`)
		w.expectEnd(4429, "too-many-commands")
	})
}

func TestCommandsAreAnsweredWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		more := make(chan struct{})
		s.rules.past = func(c *hub.Conn) error {
			<-more
			return c.Write(note(1, `{"id":"old"}`))
		}
		w := s.pipe(t)
		w.expect(welcome)
		w.say(`{"event":"ping","ref":"early"}`)
		w.expect(`{"event":"reply","ref":"early","data":{}}`)
		close(more)
		w.expect(`{"event":"notification","cursor":"c1","data":{"id":"old"}}`, isLive)
	})
}

func TestDepthOfCommands(t *testing.T) {
	for depth, change := range map[int]func(*options){
		32: func(*options) {},
		40: func(o *options) { o.v1.Depth = func() int { return 40 } },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, change).pipe(t)
			w.expect(welcome, isLive)
			say := func(levels int) { // of which the command itself is one
				w.say(`{"event":"ping","ref":"7","data":` + strings.Repeat(`{"a":`, levels-1) + `1` + strings.Repeat(`}`, levels))
			}
			say(depth)
			w.expect(`{"event":"reply","ref":"7","data":{}}`)
			say(depth + 1)
			w.expect(`{"event":"error","ref":"7","data":{"type":"urn:bellhop:problem:malformed","title":"The request is malformed",` +
				`"status":400,"detail":"the JSON nests too deep; at most ` + strconv.Itoa(depth) + ` levels are allowed"}}`)
		})
	}
}

// Commands count as requests of the principal, whatever connection they come
// over; a refused one is answered, and the connection stays.
func TestCommandsAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		twice := limit.New(notify.Rate{Name: "requests", Quota: 2, Window: 10 * time.Second}, 0)
		s := start(t, func(o *options) { o.v1.Requests = &limit.Principals{Backends: twice} })
		const read = `{"event":"read","data":{"all":true}}`
		w, other := s.pipe(t), s.pipe(t)
		w.expect(welcome, isLive)
		other.expect(welcome, isLive)
		w.say(read)
		w.expect(`{"event":"reply","data":{"unread_count":1,"unseen_count":0}}`)
		other.say(read)
		other.expect(`{"event":"reply","data":{"unread_count":2,"unseen_count":0}}`)
		w.say(`{"event":"read","ref":"r","data":{"all":true}}`)
		if _, got, err := w.read(); err != nil || !strings.Contains(string(got), `"ref":"r"`) || !strings.Contains(string(got), `urn:bellhop:problem:limit`) {
			t.Errorf("received %s, %v", got, err)
		}
		w.say(`{"event":"ping"}`)
		w.expect(`{"event":"reply","data":{}}`)
	})
}
