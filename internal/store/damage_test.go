package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

const storeDir = "data/store"

// large is a publish with so many bytes.
func large(n, bytes int) notify.Publish {
	e := toUsers(n, "", "ada")
	e.Content = fmt.Appendf(nil, `"id":"%s","data":"%s"`, idOf(n), strings.Repeat(string(rune('a'+n%26)), bytes))
	e.Keep = 0
	return e
}

// image is what a store has left on the disk, and how many entries it had answered.
type image struct {
	fs    *vfs.MemFS
	older *vfs.MemFS // the same a while before
	last  int
	bytes int // of each
}

// clone returns the files as the end of the process leaves them.
func clone(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
}

// killed returns the image of a store that was started again after most of n
// entries with so many bytes each, and was killed after the rest.
func killed(t *testing.T, n, bytes int) image {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := openIn(t, fs)
	half := n * 2 / 3
	storeLarge(t, s, 1, half, bytes)
	require.NoError(t, s.Close())
	older := clone(fs)
	s = openIn(t, fs)
	storeLarge(t, s, half+1, n, bytes)
	left := clone(fs)
	require.NoError(t, s.Close())
	return image{left, older, n, bytes}
}

// current is the image of a store that was killed after n entries without having been
// started again: nothing of it is in tables.
func young(t *testing.T, n, bytes int) image {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := openIn(t, fs)
	older := clone(fs)
	storeLarge(t, s, 1, n, bytes)
	left := clone(fs)
	require.NoError(t, s.Close())
	require.Greater(t, len(files(t, left, "", ".log")), 1, "there are older logs")
	return image{left, older, n, bytes}
}

// stopped is the same as killed of one that was stopped.
func stopped(t *testing.T, n, bytes int) image {
	t.Helper()
	i := killed(t, n, bytes)
	s := openIn(t, i.fs)
	storeLarge(t, s, n+1, n+2, bytes)
	require.NoError(t, s.Close())
	return image{clone(i.fs), i.older, n + 2, bytes}
}

func storeLarge(t *testing.T, s *store.Store, from, to, bytes int) {
	t.Helper()
	for n := from; n <= to; n++ {
		_, _, err := s.Apply(notify.Sequence(n), notify.Stamp(noon(), large(n, bytes)))
		require.NoError(t, err)
	}
}

// files returns the names of Pebble's files that begin or end so, in order.
func files(t *testing.T, fs vfs.FS, begin, end string) (names []string) {
	t.Helper()
	all, err := fs.List(storeDir)
	require.NoError(t, err)
	for _, name := range all {
		if strings.HasPrefix(name, begin) && strings.HasSuffix(name, end) {
			names = append(names, filepath.Join(storeDir, name))
		}
	}
	slices.Sort(names)
	return names
}

func content(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return b
}

func write(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write(bytes.Clone(b)) // Write may change what it is given
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

func flip(t *testing.T, fs vfs.FS, name string, random *rand.Rand) {
	t.Helper()
	b := content(t, fs, name)
	if len(b) == 0 {
		return
	}
	b[random.IntN(len(b))] ^= 1 << random.IntN(8)
	write(t, fs, name, b)
}

func cut(t *testing.T, fs vfs.FS, name string, random *rand.Rand) {
	t.Helper()
	b := content(t, fs, name)
	write(t, fs, name, b[:random.IntN(len(b)+1)])
}

func last[T any](all []T) T { return all[len(all)-1] }

// damages are ways in which files come to harm. The name says which image they are
// for.
func damages() map[string]func(*testing.T, *vfs.MemFS, *vfs.MemFS, *rand.Rand) {
	remove := func(t *testing.T, fs vfs.FS, name string) { require.NoError(t, fs.Remove(name)) }
	return map[string]func(t *testing.T, fs, older *vfs.MemFS, random *rand.Rand){
		"killed, no harm": func(*testing.T, *vfs.MemFS, *vfs.MemFS, *rand.Rand) {},
		"killed, a bit of the newest log": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			flip(t, fs, last(files(t, fs, "", ".log")), random)
		},
		"killed, a bit of any log": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			logs := files(t, fs, "", ".log")
			flip(t, fs, logs[random.IntN(len(logs))], random)
		},
		"killed, the newest log is cut": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			cut(t, fs, last(files(t, fs, "", ".log")), random)
		},
		"killed, a log is removed": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			logs := files(t, fs, "", ".log")
			remove(t, fs, logs[random.IntN(len(logs))])
		},
		"young, the oldest log is removed": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
			remove(t, fs, files(t, fs, "", ".log")[0])
		},
		"young, the newest log is all that is left": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
			logs := files(t, fs, "", ".log")
			for _, name := range logs[:len(logs)-1] {
				remove(t, fs, name)
			}
		},
		"young, a bit of any log": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			logs := files(t, fs, "", ".log")
			flip(t, fs, logs[random.IntN(len(logs))], random)
		},
		"killed, all logs are removed": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
			for _, name := range files(t, fs, "", ".log") {
				remove(t, fs, name)
			}
		},
		"killed, the MANIFEST is cut": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			cut(t, fs, last(files(t, fs, "MANIFEST-", "")), random)
		},
		"stopped, the MANIFEST is cut": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			cut(t, fs, last(files(t, fs, "MANIFEST-", "")), random)
		},
		"stopped, the marker of the MANIFEST is removed": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
			remove(t, fs, last(files(t, fs, "marker.manifest.", "")))
		},
		"killed, the marker of the MANIFEST is removed": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
			remove(t, fs, last(files(t, fs, "marker.manifest.", "")))
		},
		"stopped, a table is removed": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			tables := files(t, fs, "", ".sst")
			remove(t, fs, tables[random.IntN(len(tables))])
		},
		"stopped, a table is cut": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			tables := files(t, fs, "", ".sst")
			cut(t, fs, tables[random.IntN(len(tables))], random)
		},
		"stopped, the marker of Pebble's format is removed": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
			remove(t, fs, last(files(t, fs, "marker.format-version.", "")))
		},
		"stopped, the first block of every table": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			for _, name := range files(t, fs, "", ".sst") {
				b := content(t, fs, name)
				b[random.IntN(50)] ^= 1
				write(t, fs, name, b)
			}
		},
		"stopped, all of the store is removed": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
			require.NoError(t, fs.RemoveAll(storeDir))
		},
		"killed, the store is of a while before": func(t *testing.T, fs, older *vfs.MemFS, _ *rand.Rand) {
			require.NoError(t, fs.RemoveAll(storeDir))
			require.NoError(t, fs.MkdirAll(storeDir, 0o700))
			for _, name := range files(t, older, "", "") {
				write(t, fs, name, content(t, older, name))
			}
		},
		"killed, a file is of a while before": func(t *testing.T, fs, older *vfs.MemFS, random *rand.Rand) {
			names := files(t, older, "", "")
			name := names[random.IntN(len(names))]
			write(t, fs, name, content(t, older, name))
		},
		"killed, a bit of any file": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			names := files(t, fs, "", "")
			flip(t, fs, names[random.IntN(len(names))], random)
		},
		"stopped, a bit of any file": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			names := files(t, fs, "", "")
			flip(t, fs, names[random.IntN(len(names))], random)
		},
		"killed, a bit of the watermark": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			flip(t, fs, "data/watermark", random)
		},
	}
}

// However files come to harm, the store says what is missing, or refuses to start
// and says what to do, or nothing is missing.
func TestDamageIsAlwaysReported(t *testing.T) {
	images := map[string][]image{}
	for _, c := range []struct{ n, bytes int }{{3, 127_000}, {40, 12_000}, {200, 2_000}} {
		images["killed"] = append(images["killed"], killed(t, c.n, c.bytes))
		images["stopped"] = append(images["stopped"], stopped(t, c.n, c.bytes))
	}
	for _, c := range []struct{ n, bytes int }{{12, 127_000}, {100, 12_000}, {600, 2_000}} {
		images["young"] = append(images["young"], young(t, c.n, c.bytes))
	}
	for name, harm := range damages() {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, ",")
			outcomes := map[string]int{}
			for seed := range uint64(6) {
				i := images[kind][seed%3]
				fs := clone(i.fs)
				harm(t, fs, i.older, rand.New(rand.NewPCG(seed, seed)))
				outcomes[judge(t, fs, i.last, i.bytes)]++
			}
			t.Log(outcomes)
		})
	}
}

// A log of which an entry in the middle is damaged is refused, since the entries
// behind it are there. Without that log, the rest is served and the loss announced.
func TestADamagedLogCanBeGivenUp(t *testing.T) {
	i := killed(t, 200, 2_000)
	log := last(files(t, i.fs, "", ".log"))
	b := content(t, i.fs, log)
	b[3_000] ^= 1
	write(t, i.fs, log, b)
	require.Equal(t, "refused", judge(t, i.fs, i.last, i.bytes))
	require.Equal(t, b, content(t, i.fs, log), "refused, it is left as it is")
	require.NoError(t, i.fs.Remove(log))
	require.Equal(t, "announced", judge(t, i.fs, i.last, i.bytes))
}

// record is a line of the log.
type record struct {
	Level    string
	Msg      string
	Missing  int
	From, To int
}

func openLogged(fs vfs.FS) (*store.Store, []record, error) {
	var out bytes.Buffer
	s, err := store.Open("data", store.Options{
		FS: fs, Logger: slog.New(slog.NewJSONHandler(&out, nil)), Fatal: func(err error) { panic(err) },
	})
	var records []record
	for d := json.NewDecoder(&out); ; {
		var r record
		if d.Decode(&r) != nil {
			return s, records, err
		}
		records = append(records, r)
	}
}

// judge opens a store that had answered so many entries, and returns what became of
// it.
func judge(t *testing.T, fs vfs.FS, answered, bytes int) string {
	t.Helper()
	s, records, err := openLogged(fs)
	if err != nil {
		require.ErrorContains(t, err, "backup")
		return "refused"
	}
	lost := slices.DeleteFunc(records, func(r record) bool { return r.Level != "ERROR" || r.Missing == 0 })
	if !isServed(t, s, answered-int(s.Lost()), bytes) {
		require.Error(t, s.Corrupt(), "it neither serves what it has nor says that it cannot")
		require.NoError(t, s.Close())
		return "failed"
	}
	require.Equal(t, notify.Sequence(answered), s.Last(), "no sequence is used twice")
	if s.Lost() == 0 {
		require.Empty(t, lost)
		require.NoError(t, s.Close())
		return "whole"
	}
	require.Equal(t, []record{{
		Level: "ERROR", Msg: lost[0].Msg, Missing: int(s.Lost()), From: answered - int(s.Lost()) + 1, To: answered,
	}}, lost)
	was := s.Lost()
	_, _, err = s.Apply(s.Last()+1, notify.Stamp(noon(), large(answered+1, bytes)))
	require.NoError(t, err)
	require.NoError(t, s.Close())

	s, records, err = openLogged(fs)
	require.NoError(t, err)
	require.Empty(t, records, "a loss is announced once")
	require.Equal(t, was, s.Lost())
	require.NoError(t, s.Close())
	return "announced"
}

// isServed reports whether exactly the first n are served, as they were stored.
func isServed(t *testing.T, s *store.Store, n, bytes int) bool {
	t.Helper()
	at := notify.Sequence(0)
	for served := 0; at < s.Last(); {
		page, err := s.History(notify.Reader{User: "ada"}, at, s.Last(), 8)
		if err != nil {
			return false
		}
		for _, got := range page.Notifications {
			served++
			require.Equal(t, string(large(served, bytes).Content), string(got.Content))
		}
		if at = page.End; at == s.Last() {
			require.Equal(t, n, served, "answered, and neither served nor said to be missing")
		}
	}
	return true
}
