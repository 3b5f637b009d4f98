package notify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

const retention = 30 * 24 * time.Hour

var now = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

// pointers returns where a draft is wrong that is right but for change.
func pointers(change func(*notify.Draft)) []string {
	d := notify.Draft{Users: []notify.UserID{"ada"}, Type: "t", Priority: notify.PriorityNormal}
	change(&d)
	var all []string
	for _, f := range d.Check(now, retention) {
		all = append(all, f.Pointer)
	}
	return all
}

func TestCheckRecipients(t *testing.T) {
	topics := func(names ...notify.Topic) func(*notify.Draft) {
		return func(d *notify.Draft) { d.Users, d.Topics = nil, names }
	}
	many := slices.Repeat([]notify.Topic{"a"}, notify.MaxTopics+1)
	for name, c := range map[string]struct {
		change func(*notify.Draft)
		want   string
	}{
		"users":            {func(*notify.Draft) {}, ""},
		"topics":           {topics("news", "project.7", "ä"), ""},
		"as many as may":   {topics(many[1:]...), ""},
		"all":              {func(d *notify.Draft) { d.Users, d.All = nil, true }, ""},
		"no recipient":     {func(d *notify.Draft) { d.Users = nil }, "/to"},
		"users and topics": {func(d *notify.Draft) { d.Topics = []notify.Topic{"news"} }, "/to"},
		"users and all":    {func(d *notify.Draft) { d.All = true }, "/to"},
		"all three":        {func(d *notify.Draft) { d.Topics, d.All = []notify.Topic{"news"}, true }, "/to"},
		"too many topics":  {topics(many...), "/to/topics"},
		"a pattern":        {topics("news", "project.*"), "/to/topics/1"},
		"a star":           {topics("*"), "/to/topics/0"},
		"an empty topic":   {topics(""), "/to/topics/0"},
		"a space":          {topics("a b"), "/to/topics/0"},
		"dots in a path":   {topics("...", ".a", ".."), "/to/topics/2"},
		"a dot as a topic": {topics("."), "/to/topics/0"},
		"a dot as a user":  {func(d *notify.Draft) { d.Users = []notify.UserID{"a:.", "."} }, "/to/users/1"},
		"two dots":         {func(d *notify.Draft) { d.Users = []notify.UserID{".a", "..."}; d.Users = append(d.Users, "..") }, "/to/users/2"},
		"topics but one":   {except(func(d *notify.Draft) { d.Topics = []notify.Topic{"news"} }, "ada"), ""},
		"all but one":      {except(func(d *notify.Draft) { d.All = true }, "ada", "grace"), ""},
		"nobody left out":  {except(func(d *notify.Draft) { d.All = true }), "/to/except"},
		"too many left out": {
			except(func(d *notify.Draft) { d.All = true }, slices.Repeat([]notify.UserID{"ada"}, notify.MaxExcept+1)...), "/to/except",
		},
		"left out as a space": {except(func(d *notify.Draft) { d.All = true }, "ada", " "), "/to/except/1"},
		"users but one":       {func(d *notify.Draft) { d.Except = []notify.UserID{"ada"} }, "/to/except"},
		"a long topic":        {topics(notify.Topic(strings.Repeat("a", notify.MaxUserBytes+1))), "/to/topics/0"},
	} {
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		if got := pointers(c.change); !slices.Equal(got, want) {
			t.Errorf("%s: faults at %q, want %q", name, got, want)
		}
	}
}

// except returns a change to a draft without users that leaves users out.
func except(to func(*notify.Draft), users ...notify.UserID) func(*notify.Draft) {
	return func(d *notify.Draft) {
		d.Users, d.Except = nil, append([]notify.UserID{}, users...)
		to(d)
	}
}

func TestCheckCollapseKey(t *testing.T) {
	longest := strings.Repeat("é", notify.MaxCollapseKey)
	if got := pointers(func(d *notify.Draft) { d.CollapseKey = longest }); got != nil {
		t.Errorf("faults at %q", got)
	}
	if got := pointers(func(d *notify.Draft) { d.CollapseKey = longest + "é" }); !slices.Equal(got, []string{"/collapse_key"}) {
		t.Errorf("faults at %q", got)
	}
}

func TestCheckTimes(t *testing.T) {
	for name, c := range map[string]struct {
		at        time.Time
		ephemeral bool
		ok        bool
	}{
		"immediately":    {time.Time{}, false, true},
		"long past":      {time.Unix(0, 0), false, true},
		"at the last":    {now.Add(notify.MaxDeferral), false, true},
		"too late":       {now.Add(notify.MaxDeferral + 1), false, false},
		"far too late":   {time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), false, false},
		"ephemeral":      {now.Add(time.Hour), true, false},
		"ephemeral, now": {time.Time{}, true, true},
	} {
		got := pointers(func(d *notify.Draft) { d.DeliverAt, d.Ephemeral = c.at, c.ephemeral })
		if ok := len(got) == 0; ok != c.ok || !ok && !slices.Equal(got, []string{"/deliver_at"}) {
			t.Errorf("%s: faults at %q", name, got)
		}
	}
	for ttl, ok := range map[time.Duration]bool{
		0: true, time.Second: true, retention: true, -1: false, time.Second - 1: false, retention + time.Second: false,
	} {
		if got := pointers(func(d *notify.Draft) { d.TTL = ttl }); (len(got) == 0) != ok {
			t.Errorf("%v: faults at %q", ttl, got)
		}
	}
}
