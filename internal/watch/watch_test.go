//go:build unix

package watch_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/watch"
)

const most = 1 << 10

// text follows files whose contents must begin with "good".
func text(log *bytes.Buffer, paths ...string) *watch.Source[string] {
	return watch.New(watch.Options[string]{
		What: "texts", Name: "a test",
		Load: watch.Files(most, func(_ context.Context, contents [][]byte) (string, error) {
			for _, c := range contents {
				if !bytes.HasPrefix(c, []byte("good")) {
					return "", errors.New("it is not good")
				}
			}
			return string(bytes.Join(contents, []byte("+"))), nil
		}, paths...),
		Window: 30 * time.Second,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
}

// run follows s until the test ends.
func run(t *testing.T, s *watch.Source[string]) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}

func put(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// A file is replaced in each way that operators and their tools use.
func TestEveryChangeIsFound(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	old := time.Now().Add(-24 * time.Hour)
	rename := func(content string) {
		put(t, path+".new", content)
		require.NoError(t, os.Rename(path+".new", path))
	}
	changes := []struct {
		name, want string // the content in force afterwards
		change     func()
	}{
		{"rewritten in place, with an equal size and time", "good 2", func() {
			put(t, path, "good 2")
			require.NoError(t, os.Chtimes(path, old, old))
		}},
		{"renamed over it, with an equal size and time", "good 3", func() {
			put(t, path+".new", "good 3")
			require.NoError(t, os.Chtimes(path+".new", old, old))
			require.NoError(t, os.Rename(path+".new", path))
		}},
		{"an older file", "good 4", func() {
			rename("good 4")
			require.NoError(t, os.Chtimes(path, old.Add(-time.Hour), old.Add(-time.Hour)))
		}},
		{"a broken file", "good 4", func() { put(t, path, "half") }},
		{"the rest of it", "good 5", func() { put(t, path, "good 5") }},
		{"removed", "good 5", func() { require.NoError(t, os.Remove(path)) }},
		{"back as it was", "good 5", func() { put(t, path, "good 5") }},
		{"a FIFO", "good 5", func() {
			require.NoError(t, os.Remove(path))
			require.NoError(t, syscall.Mkfifo(path, 0o600))
		}},
		{"a file again", "good 6", func() { rename("good 6") }},
		{"a directory", "good 6", func() {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}},
		{"a link into a directory", "good 7", func() {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "one"), 0o700))
			put(t, filepath.Join(dir, "one", "file"), "good 7")
			require.NoError(t, os.Symlink("one", filepath.Join(dir, "..data")))
			require.NoError(t, os.Symlink(filepath.Join("..data", "file"), path))
		}},
		{"the directory's link swapped, as Kubernetes does", "good 8", func() {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "two"), 0o700))
			put(t, filepath.Join(dir, "two", "file"), "good 8")
			require.NoError(t, os.Symlink("two", filepath.Join(dir, "..new")))
			require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
		}},
		{"too large", "good 8", func() { rename("good" + strings.Repeat("d", most)) }},
		{"of a size that is allowed", "good 9", func() { rename("good 9") }},
	}
	put(t, path, "good 1")
	require.NoError(t, os.Chtimes(path, old, old))
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := text(&log, path)
		require.NoError(t, s.Start(t.Context()))
		require.Equal(t, "good 1", s.Current())
		run(t, s)
		for _, c := range changes {
			c.change()
			time.Sleep(2 * watch.FilePoll)
			synctest.Wait()
			require.Equal(t, c.want, s.Current(), c.name)
		}
	})
}

// The test would hang if anything but a regular file were opened and read.
func TestReadRefusesNonRegularFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "s")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	for path, want := range map[string]string{
		fifo: "named pipe", socket: "not a regular file", dir: "directory",
		"/dev/zero": "not a regular file", filepath.Join(dir, "none"): "no such file",
	} {
		_, err := watch.Read(path, most)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), path, "the caller names the file")
	}
}

func TestAFailureIsLoggedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := text(&log, path)
		put(t, path, "good")
		require.NoError(t, s.Start(t.Context()))
		run(t, s)
		put(t, path, "broken")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "\n"), "%s", &log)
		require.Contains(t, log.String(), "the last good version stays in use")
		status := s.Status()
		require.Greater(t, status.Failures, uint64(1))
		require.Error(t, status.Err)
		require.True(t, status.Loaded.Before(status.Attempted))

		put(t, path, "good again")
		require.NoError(t, s.Reload(t.Context()))
		require.Equal(t, "good again", s.Current())
		require.Contains(t, log.String(), "loaded again")
		require.Contains(t, log.String(), `audit=true action=reload outcome=done target="a test"`)
		require.Equal(t, 3, strings.Count(log.String(), "\n"), "%s", &log)
		status = s.Status()
		require.NoError(t, status.Err)
		require.Equal(t, status.Attempted, status.Loaded)
	})
}

// A content at which the parser panics is reported as long as it stays.
func TestAPanicKeepsTheLastGoodVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "good")
	s := watch.New(watch.Options[string]{Load: watch.Files(most, func(_ context.Context, contents [][]byte) (string, error) {
		if string(contents[0]) != "good" {
			panic("not good")
		}
		return "good", nil
	}, path)})
	require.NoError(t, s.Start(t.Context()))
	run(t, s)
	put(t, path, "bad")
	for range 3 {
		require.ErrorContains(t, s.Reload(t.Context()), "not good")
	}
	require.Error(t, s.Status().Err)
	require.Equal(t, "good", s.Current())
}

// One of two files is replaced before the other.
func TestTwoFilesTakeForceTogether(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	var log bytes.Buffer
	s := text(&log, one, two)
	put(t, one, "good 1")
	require.ErrorContains(t, s.Start(t.Context()), "two")
	put(t, two, "good 1")
	require.NoError(t, s.Start(t.Context()))
	run(t, s)
	put(t, one, "half")
	put(t, two, "good 2")
	require.Error(t, s.Reload(t.Context()))
	require.Equal(t, "good 1+good 1", s.Current())
	put(t, one, "good 2")
	require.NoError(t, s.Reload(t.Context()))
	require.Equal(t, "good 2+good 2", s.Current())
}

func TestAskFetchesOncePerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads := 0
		s := watch.New(watch.Options[string]{
			Every: time.Hour, Window: 30 * time.Second,
			Load: func(context.Context) (string, error) { loads++; return "", watch.ErrUnchanged },
		})
		run(t, s)
		for range 5 {
			require.NoError(t, s.Ask(t.Context()))
		}
		require.Equal(t, 1, loads)
		require.NoError(t, s.Reload(t.Context()), "an operator is not held to it")
		require.Equal(t, 2, loads)
		time.Sleep(30 * time.Second)
		require.NoError(t, s.Ask(t.Context()))
		require.Equal(t, 3, loads)
	})
}

// Periodic loads and loads for Ask count together.
func TestAFailingSourceIsLoadedOnceInAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads []time.Duration
		begin := time.Now()
		s := watch.New(watch.Options[string]{
			Every: time.Hour, Retry: 30 * time.Second, Window: 30 * time.Second,
			Load: func(context.Context) (string, error) {
				loads = append(loads, time.Since(begin))
				return "", errors.New("out of reach")
			},
		})
		s.Try(t.Context())
		run(t, s)
		for range 100 {
			require.Error(t, s.Ask(t.Context()))
			time.Sleep(time.Second)
		}
		for i := 2; i < len(loads); i++ { // the first was at the start
			require.GreaterOrEqual(t, loads[i]-loads[i-1], 30*time.Second)
		}
		require.Len(t, loads, 5)
	})
}

// A thousand callers ask while a load hangs.
func TestFewWaitForASlowLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		s := watch.New(watch.Options[string]{
			Every: time.Hour, Window: time.Hour,
			Load: func(context.Context) (string, error) { <-hang; return "", nil },
		})
		run(t, s)
		answers := make(chan error, 1_000)
		for range cap(answers) {
			go func() { answers <- s.Ask(context.Background()) }()
		}
		synctest.Wait()
		require.Len(t, answers, 744)
		for range len(answers) {
			require.ErrorIs(t, <-answers, watch.ErrBusy)
		}
		close(hang)
		synctest.Wait()
		require.Len(t, answers, 256)
		for range len(answers) {
			require.NoError(t, <-answers)
		}
		require.NoError(t, s.Ask(t.Context()))
	})
}

func TestAskAfterTheEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s := text(new(bytes.Buffer), "none")
	s.Run(ctx)
	require.ErrorIs(t, s.Ask(context.Background()), watch.ErrEnded)
	require.ErrorIs(t, s.Reload(context.Background()), watch.ErrEnded)
}
