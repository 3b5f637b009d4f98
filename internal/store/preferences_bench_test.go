package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// BenchmarkPreferences measures the counts, a page and the resume of a reader of a pattern with
// 10,000 unread notifications, by the number of rules: of those with 1, the rule hides one half.
func BenchmarkPreferences(b *testing.B) {
	const kept = 10_000
	for _, rules := range []int{0, 1, 100} {
		s := open(b)
		last := notify.Sequence(0)
		for n := 0; n < kept; n += 1_000 {
			entries := make([]notify.Entry, 1_000)
			for i := range entries {
				e := toTopics(n+i, notify.Topic(fmt.Sprintf("project.%d", (n+i)%100)))
				e.Keep = 1_000
				name := []string{"comment.created", "build.failed"}[i%2]
				e.Content = []byte(`"id":"` + idOf(n+i) + `","type":"` + name + `","priority":"normal","title":"a title","body":"some text of a usual length"`)
				entries[i] = e
			}
			if _, _, err := s.Apply(last+1, notify.Stamp(time.Now(), entries...)); err != nil {
				b.Fatal(err)
			}
			last += 1_000
		}
		p := notify.UserPreferences{User: "ada"}
		for range rules - 1 {
			p.Rules = append(p.Rules, notify.PreferenceRule{Type: "nothing.*", Topic: "other.*", Level: notify.LevelOff})
		}
		want := kept
		if rules > 0 {
			p.Rules, want = append(p.Rules, notify.PreferenceRule{Type: "comment.*", Level: notify.LevelOff}), kept/2
		}
		last++
		if _, _, err := s.Apply(last, notify.Stamp(time.Now(), p)); err != nil {
			b.Fatal(err)
		}
		r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.*"}}
		b.Run(fmt.Sprintf("count/%d", rules), func(b *testing.B) {
			for b.Loop() {
				if n, err := s.Unread(r, last); err != nil || n != want {
					b.Fatalf("%d unread, %v", n, err)
				}
			}
		})
		b.Run(fmt.Sprintf("list/%d", rules), func(b *testing.B) {
			for b.Loop() {
				if list, err := s.List(r, 0, last, &notify.Filter{}, 50, time.Now()); err != nil || len(list.Notifications) != 50 {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("resume/%d", rules), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.History(r, last-40, last, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
