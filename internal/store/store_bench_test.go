package store_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// benchUsers is the number of users with a history.
const benchUsers = 10_000

// open opens a store on the disk until the benchmark has ended.
func open(b *testing.B) *store.Store {
	b.Helper()
	s := openDir(b, b.TempDir())
	b.Cleanup(func() { closeStore(b, s) })
	return s
}

func openDir(b *testing.B, dir string) *store.Store {
	b.Helper()
	s, err := store.Open(dir, store.Options{
		Logger: slog.New(slog.DiscardHandler),
		Fatal:  func(err error) { panic(err) },
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func closeStore(b *testing.B, s *store.Store) {
	b.Helper()
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}

// publishes returns count publishes of a backend, each to one user in turn. The first has the ID idOf(n).
func publishes(n, count int) []notify.Entry {
	entries := make([]notify.Entry, count)
	for i := range entries {
		user := notify.UserID(fmt.Sprintf("user-%08d", (n+i)%benchUsers))
		id := idOf(n + i)
		content := `"id":"` + id + `","type":"comment.created","priority":"normal","data":{"issue":42}`
		entries[i] = notify.Publish{
			By: "key:backend", ID: id, Content: []byte(content),
			Audience: notify.AudienceUser, Users: []notify.UserID{user}, Keep: 1_000,
		}
	}
	return entries
}

// BenchmarkApply measures a transaction of publishes with its sync.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 64, 4_096} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			s := open(b)
			entries := publishes(0, benchUsers+size)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				at := n % benchUsers
				if _, _, err := s.Apply(notify.Sequence(n+1), notify.Stamp(time.Now(), entries[at:at+size]...)); err != nil {
					b.Fatal(err)
				}
				n += size
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkOpen measures the start of a store with five notifications per user.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := openDir(b, dir)
	for n := 0; n < 5*benchUsers; n += benchUsers {
		if _, _, err := s.Apply(notify.Sequence(n+1), notify.Stamp(time.Now(), publishes(n, benchUsers)...)); err != nil {
			b.Fatal(err)
		}
	}
	closeStore(b, s)
	for b.Loop() {
		s := openDir(b, dir)
		b.StopTimer()
		closeStore(b, s)
		b.StartTimer()
	}
}

// A client that resumes reads the 20 notifications that it missed.
func BenchmarkHistory(b *testing.B) {
	const each = 20
	s := open(b)
	for n := 0; n < each*benchUsers; n += benchUsers {
		if _, _, err := s.Apply(notify.Sequence(n+1), notify.Stamp(time.Now(), publishes(n, benchUsers)...)); err != nil {
			b.Fatal(err)
		}
	}
	user := 0
	b.ReportAllocs()
	for b.Loop() {
		r := notify.Reader{User: notify.UserID(fmt.Sprintf("user-%08d", user%benchUsers))}
		page, err := s.History(r, 0, each*benchUsers, 100)
		if err != nil || len(page.Notifications) != each {
			b.Fatalf("%d notifications, %v", len(page.Notifications), err)
		}
		user += 7_919
	}
}

// BenchmarkPattern measures counts and pages of a reader of a pattern, by the number of topics
// that it matches.
func BenchmarkPattern(b *testing.B) {
	for _, topics := range []int{1_000, 20_000} {
		s := open(b)
		last := notify.Sequence(0)
		for n := 0; n < topics; n += 1_000 {
			entries := make([]notify.Entry, 1_000)
			for i := range entries {
				entries[i] = toTopics(n+i, notify.Topic(fmt.Sprintf("project.%d", n+i)))
			}
			if _, _, err := s.Apply(last+1, notify.Stamp(time.Now(), entries...)); err != nil {
				b.Fatal(err)
			}
			last += 1_000
		}
		r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.*"}}
		b.Run(fmt.Sprintf("unread/%d", topics), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n, err := s.Unread(r, last); err != nil || n != topics {
					b.Fatalf("%d unread, %v", n, err)
				}
			}
		})
		var marks []notify.Entry
		for n := range topics / 2 { // one mark for each topic
			e := markBy("grace", notify.VerbRead, idOf(n))
			e.Reader.Topics = r.Topics
			marks = append(marks, e)
		}
		if _, _, err := s.Apply(last+1, notify.Stamp(time.Now(), marks...)); err != nil {
			b.Fatal(err)
		}
		last += notify.Sequence(len(marks))
		b.Run(fmt.Sprintf("unread after marking half/%d", topics), func(b *testing.B) {
			grace := r
			grace.User = "grace"
			b.ReportAllocs()
			for b.Loop() {
				if n, err := s.Unread(grace, last); err != nil || n != topics/2 {
					b.Fatalf("%d unread, %v", n, err)
				}
			}
		})
		b.Run(fmt.Sprintf("list/%d", topics), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list, err := s.List(r, 0, last, &notify.Filter{State: notify.StateInbox}, 50, time.Now()); err != nil || len(list.Notifications) != 50 {
					b.Fatalf("%d listed, %v", len(list.Notifications), err)
				}
			}
		})
	}
}
