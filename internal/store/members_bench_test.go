package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// BenchmarkMember measures what a member of few and of many topics reads: counts, a list, and what a
// connection that missed 20 notifications resumes with. Both have a thousand notifications.
func BenchmarkMember(b *testing.B) {
	const kept, missed = 1_000, 20
	for _, topics := range []int{10, 1_000} {
		s := open(b)
		names := make([]notify.Topic, topics)
		for i := range names {
			names[i] = notify.Topic(fmt.Sprintf("project.%d", i))
		}
		entries := []notify.Entry{notify.UserTopics{User: "ada", Topics: names}}
		for i := range kept {
			e := toTopics(i, names[i%topics])
			e.Keep = kept
			entries = append(entries, e)
		}
		if _, _, err := s.Apply(1, notify.Stamp(time.Now(), entries...)); err != nil {
			b.Fatal(err)
		}
		last := notify.Sequence(len(entries))
		r := notify.Reader{User: "ada"}
		b.Run(fmt.Sprintf("counts/%d", topics), func(b *testing.B) {
			for b.Loop() {
				if n, err := s.Unread(r, last); err != nil || n != kept {
					b.Fatalf("%d unread, %v", n, err)
				}
			}
		})
		b.Run(fmt.Sprintf("list/%d", topics), func(b *testing.B) {
			for b.Loop() {
				if list, err := s.List(r, 0, last, &notify.Filter{State: notify.StateInbox}, 50, time.Now()); err != nil || len(list.Notifications) != 50 {
					b.Fatalf("%d listed, %v", len(list.Notifications), err)
				}
			}
		})
		b.Run(fmt.Sprintf("resume/%d", topics), func(b *testing.B) {
			for b.Loop() {
				if page, err := s.History(r, last-missed, last, 64); err != nil || len(page.Notifications) != missed {
					b.Fatalf("%d notifications, %v", len(page.Notifications), err)
				}
			}
		})
		b.Run(fmt.Sprintf("topics/%d", topics), func(b *testing.B) {
			for b.Loop() {
				if is, err := s.Subscriber("ada"); err != nil || len(is.Topics) != topics {
					b.Fatalf("%d topics, %v", len(is.Topics), err)
				}
			}
		})
	}
}
