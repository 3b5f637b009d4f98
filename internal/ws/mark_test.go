package ws_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// marking is what the service was asked to mark.
type marking struct {
	By    notify.UserID
	Verb  notify.Verb
	Which wire.Selection
}

// Mark says how often it was called, as if so many were unread.
func (d *fakeRules) Mark(_ context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (notify.Counts, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.marked = append(d.marked, marking{by.User, verb, which})
	return notify.Counts{Unread: len(d.marked)}, d.refusal
}

// The count in an answer identifies its command: commands are carried out in the order in
// which they were sent, although the client does not wait for the answers.
func TestMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		said := slices.Concat(
			masked(fin|opText, []byte(`{"event":"read","ref":"7","data":{"ids":["`+id+`","none of ours"]}}`)),
			masked(fin|opText, []byte(`{"event":"unread","ref":"8","data":{"through":"c1"}}`)),
			masked(fin|opText, []byte(`{"event":"archive","data":{"all":true}}`)),
		)
		go func() { _, _ = w.conn.Write(said) }() // if that fails, no answer comes
		w.expect(
			`{"event":"reply","ref":"7","data":{"unread_count":1,"unseen_count":0}}`,
			`{"event":"reply","ref":"8","data":{"unread_count":2,"unseen_count":0}}`,
			`{"event":"reply","data":{"unread_count":3,"unseen_count":0}}`,
		)
		want := []marking{
			{"ada", notify.VerbRead, wire.Selection{IDs: []string{id}}},
			{"ada", notify.VerbUnread, wire.Selection{Through: "c1"}},
			{"ada", notify.VerbArchive, wire.Selection{All: true}},
		}
		if d := cmp.Diff(want, s.rules.marked); d != "" {
			t.Errorf("marked (-want +got):\n%s", d)
		}
	})
}

func TestRefusedMarks(t *testing.T) {
	for said, c := range map[string]struct {
		refusal error
		want    []string
	}{
		`{"event":"read","ref":"r"}`:                                    {nil, []string{`"status":422`, `"pointer":"/data"`}},
		`{"event":"read","ref":"r","data":[]}`:                          {nil, []string{`"status":422`, `"pointer":"/data"`}},
		`{"event":"unread","ref":"r","data":{}}`:                        {nil, []string{`"status":422`, `"pointer":"/data"`, "exactly one"}},
		`{"event":"archive","ref":"r","data":{"ids":[7]}}`:              {nil, []string{`"status":422`, `"pointer":"/data/ids/0"`}},
		`{"event":"read","ref":"r","data":{"all":true,"user":"grace"}}`: {nil, []string{`"status":422`, `"pointer":"/data/user"`}},
		`{"event":"read","ref":"r","data":{"through":"c9"}}`:            {notify.Invalid(notify.Fault{Pointer: "/through", Detail: "d"}), []string{`"status":422`, `"pointer":"/data/through"`}},
		`{"event":"read","ref":"r","data":{"all":true}}`:                {notify.ErrUnavailable, []string{`"status":503`, "unavailable"}},
		`{"event":"archive","ref":"r","data":{"all":true}}`:             {errors.New("secret"), []string{`"status":500`, "internal"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t)
			s.rules.refusal = c.refusal
			w := s.pipe(t)
			w.expect(welcome, isLive)
			w.say(said)
			_, payload, err := w.read()
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(c.want, `{"event":"error","ref":"r",`) {
				if !strings.Contains(string(payload), want) || strings.Contains(string(payload), "secret") {
					t.Errorf("%s: received %s without %s", said, payload, want)
				}
			}
			if done := len(s.rules.marked) > 0; done != (c.refusal != nil) {
				t.Errorf("%s: marked %v", said, s.rules.marked)
			}
		})
	}
}

func TestMarksCountAsCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		for range 100 {
			w.say(`{"event":"read","data":{"all":true}}`)
			if _, _, err := w.read(); err != nil {
				t.Fatal(err)
			}
		}
		go w.say(`{"event":"read","data":{"all":true}}`)
		w.expectEnd(4429, "too-many-commands")
		if len(s.rules.marked) != 100 {
			t.Errorf("marked %d times", len(s.rules.marked))
		}
	})
}
