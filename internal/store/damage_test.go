package store_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// damages are ways to damage the files of a store. A name begins with the kind of image that is
// damaged.
func damages() map[string]func(*testing.T, *vfs.MemFS, *vfs.MemFS, *rand.Rand) {
	remove := func(t *testing.T, fs vfs.FS, name string) { require.NoError(t, fs.Remove(name)) }
	return map[string]func(t *testing.T, fs, older *vfs.MemFS, random *rand.Rand){
		"killed, no damage": func(*testing.T, *vfs.MemFS, *vfs.MemFS, *rand.Rand) {},
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
		"young, all logs but the newest are removed": func(t *testing.T, fs, _ *vfs.MemFS, _ *rand.Rand) {
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
		"killed, the store is an older copy": func(t *testing.T, fs, older *vfs.MemFS, _ *rand.Rand) {
			require.NoError(t, fs.RemoveAll(storeDir))
			require.NoError(t, fs.MkdirAll(storeDir, 0o700))
			for _, name := range files(t, older, "", "") {
				write(t, fs, name, content(t, older, name))
			}
		},
		"killed, a file is an older copy": func(t *testing.T, fs, older *vfs.MemFS, random *rand.Rand) {
			names := files(t, older, "", "")
			name := names[random.IntN(len(names))]
			write(t, fs, name, content(t, older, name))
		},
		"young, two logs are swapped": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			swap(t, fs, ".log", random)
		},
		"stopped, two tables are swapped": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			swap(t, fs, ".sst", random)
		},
		"killed, the last entry of the newest log is torn": func(t *testing.T, fs, _ *vfs.MemFS, random *rand.Rand) {
			log := last(files(t, fs, "", ".log"))
			b := content(t, fs, log)
			end := len(b) - 1 - random.IntN(min(len(b), 1_000))
			write(t, fs, log, append(b[:end], make([]byte, 4_096)...)) // a block that was allocated and not written
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

// After any damage to its files, one of these is true: the store refuses to start and its error
// has instructions, it announces which entries are missing, or it serves all entries.
func TestDamageIsAlwaysReported(t *testing.T) {
	images := map[string][]image{}
	for _, c := range []struct{ n, bytes int }{{3, 127_000}, {40, 12_000}, {200, 2_000}} {
		images["killed"] = append(images["killed"], killed(t, c.n, c.bytes))
		images["stopped"] = append(images["stopped"], stopped(t, c.n, c.bytes))
	}
	for _, c := range []struct{ n, bytes int }{{12, 127_000}, {100, 12_000}, {600, 2_000}} {
		images["young"] = append(images["young"], young(t, c.n, c.bytes))
	}
	for name, damage := range damages() {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, ",")
			outcomes := map[string]int{}
			for seed := range uint64(6) {
				i := images[kind][seed%3]
				fs := clone(i.fs)
				damage(t, fs, i.older, rand.New(rand.NewPCG(seed, seed)))
				outcomes[outcome(t, fs, i.last, i.bytes)]++
			}
			t.Log(outcomes)
		})
	}
}

// A log with a damaged entry in the middle is refused, since later entries are intact. When the
// operator removes the log, the store serves the rest and announces the loss.
func TestADamagedLogCanBeRemoved(t *testing.T) {
	for name, i := range map[string]image{"restarted": killed(t, 200, 2_000), "new": fresh(t, 100, 2_000)} {
		t.Run(name, func(t *testing.T) {
			log := last(files(t, i.fs, "", ".log"))
			b := content(t, i.fs, log)
			b[3_000] ^= 1
			write(t, i.fs, log, b)
			require.Equal(t, "refused", outcome(t, i.fs, i.last, i.bytes))
			require.Equal(t, b, content(t, i.fs, log), "a store that is refused is not changed")
			require.NoError(t, i.fs.Remove(log))
			require.Equal(t, "announced", outcome(t, i.fs, i.last, i.bytes))
		})
	}
}

// record is a line of the log.
type record struct {
	Level    string
	Msg      string
	Missing  int
	From, To int
}

// openLogged opens a store, and returns the error that would have ended the process, too: a
// compaction may read a damaged table before Open returns.
func openLogged(fs vfs.FS) (*store.Store, []record, error) {
	type result struct {
		store *store.Store
		err   error
	}
	var out bytes.Buffer
	opened, fatal := make(chan result, 1), make(chan error, 1)
	go func() {
		s, err := store.Open("data", store.Options{
			FS: fs, Logger: slog.New(slog.NewJSONHandler(&out, nil)), Fatal: func(err error) {
				select {
				case fatal <- err:
				default:
				}
				select {} // it must not return
			},
		})
		opened <- result{s, err}
	}()
	var r result
	select {
	case r = <-opened:
	case err := <-fatal:
		return nil, nil, err
	}
	var records []record
	for d := json.NewDecoder(&out); ; {
		var line record
		if d.Decode(&line) != nil {
			return r.store, records, r.err
		}
		records = append(records, line)
	}
}

// outcome opens a store that has answered a number of entries, checks that it serves or announces
// all of them, and returns one of "refused", "failed", "whole" and "announced".
func outcome(t *testing.T, fs vfs.FS, answered, bytes int) string {
	t.Helper()
	s, records, err := openLogged(fs)
	if err != nil {
		require.ErrorContains(t, err, "backup")
		return "refused"
	}
	lost := slices.DeleteFunc(records, func(r record) bool { return r.Level != "ERROR" || r.Missing == 0 })
	if !isServed(t, s, answered-int(s.Lost()), bytes) {
		require.Error(t, s.Corrupt(), "the store does not serve all entries and reports no corruption")
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
	lostBefore := s.Lost()
	_, _, err = s.Apply(s.Last()+1, notify.Stamp(noon(), large(answered+1, bytes)))
	require.NoError(t, err)
	require.NoError(t, s.Close())

	s, records, err = openLogged(fs)
	require.NoError(t, err)
	require.Empty(t, records, "a loss is announced once")
	require.Equal(t, lostBefore, s.Lost())
	require.NoError(t, s.Close())
	return "announced"
}

// isServed reports whether the store serves exactly the first n entries, with their content. A
// failed read returns false; a wrong entry fails the test.
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
			require.Equal(t, n, served, "an answered entry is neither served nor announced as missing")
		}
	}
	return true
}
