//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/test/load/bench/crowd"
	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
)

// crowdLoops is the number of goroutines that share the sockets.
const crowdLoops = 2

// bench is one run of the tool: its sizes, its programs and its results.
type bench struct {
	sizes    sizes
	dir      string // for programs, data and logs; removed at the end
	programs map[side]string
	results  *results
	progress io.Writer
	rs256    *rs256 // nil until the first scenario that needs it
	profiles string // directory for profiles of the service; if empty, none are taken
	profiled int    // number of profiles taken
}

// rs256 has the public key of a service and the dialect with the tokens for it.
type rs256 struct {
	dialect   *dialect.Service
	publicKey []byte
}

// build compiles floor and service, unless built names a service that exists already.
func (b *bench) build(ctx context.Context, built string) error {
	floorProgram, err := server.Build(ctx, b.dir, "test/load/bench", "./floor")
	if err != nil {
		return err
	}
	if built == "" {
		if built, err = server.Build(ctx, b.dir, ".", "./cmd/bellhop"); err != nil {
			return err
		}
	}
	b.programs = map[side]string{floor: floorProgram, service: built}
	return nil
}

// run runs every scenario. If one fails, the others still run.
func (b *bench) run(ctx context.Context, scenarios []scenario) error {
	var errs []error
	for _, sc := range scenarios {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if sc.alone != nil {
			errs = append(errs, b.timed(sc.name, func() error { return sc.alone(ctx, b) }))
			continue
		}
		errs = append(errs, b.turns(ctx, sc))
	}
	return errors.Join(errs...)
}

// turns runs a scenario on floor and service in turn, in every round.
func (b *bench) turns(ctx context.Context, sc scenario) error {
	var errs []error
	for round := range b.sizes.rounds {
		for _, side := range []side{floor, service} {
			what := fmt.Sprintf("%-10s %-7s round %d", sc.name, side, round+1)
			errs = append(errs, b.timed(what, func() error { return b.runOne(ctx, sc, side) }))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return errors.Join(errs...)
}

// timed runs f and prints its duration and its error.
func (b *bench) timed(what string, f func() error) error {
	start := time.Now()
	err := f()
	b.say("%-28s %5.1f s", what, time.Since(start).Seconds())
	if err != nil {
		b.say("           %v", err)
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// runOne starts a new server and runs one scenario on it.
func (b *bench) runOne(ctx context.Context, sc scenario, which side) (err error) {
	if err := enoughFiles(sc.clients(b.sizes)); err != nil {
		return err
	}
	dir, err := b.makeDir(sc.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	s := &session{side: which, sizes: b.sizes, epoch: time.Now(), clients: sc.clients(b.sizes), results: b.results}
	s.toUser = make([]uint32, s.clients)
	if err := b.start(ctx, s, sc, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.server.Stop()) }()

	if b.profiles != "" && which == service {
		defer b.profile(ctx, s.server, sc.name)()
	}
	s.crowd, err = crowd.New(crowd.Options{
		Server:      s.server.Address,
		Size:        s.clients,
		Loops:       crowdLoops,
		Dialect:     s.dialect,
		Epoch:       s.epoch,
		KeepCursors: sc.cursors,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.crowd.Close()) }()
	return sc.run(ctx, s)
}

// makeDir creates a directory for a server's data and log.
func (b *bench) makeDir(name string) (dir string, err error) {
	if dir, err = os.MkdirTemp(b.dir, name+"-"); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	return dir, nil
}

// start starts the server of the session's side and sets the session's dialect.
func (b *bench) start(ctx context.Context, s *session, sc scenario, dir string) (err error) {
	switch program := b.programs[s.side]; {
	case s.side == floor:
		s.dialect = dialect.NewFloor()
		s.server, err = server.StartFloor(ctx, program, dir)
	case sc.rs256:
		s.server, err = b.startRS256(ctx, s, sc, dir)
	default:
		s.dialect = dialect.NewService(server.Secret, maxPublishers)
		s.server, err = server.StartService(ctx, program, dir)
	}
	return err
}

// startRS256 starts a service with a public key and without a secret. Tokens are signed
// before the first such service starts, and reused for the following ones.
func (b *bench) startRS256(ctx context.Context, s *session, sc scenario, dir string) (*server.Server, error) {
	if b.rs256 == nil {
		d, publicKey, err := dialect.NewServiceRS256(sc.clients(b.sizes))
		if err != nil {
			return nil, err
		}
		b.rs256 = &rs256{d, publicKey}
	}
	s.dialect = b.rs256.dialect
	file := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(file, b.rs256.publicKey, 0o600); err != nil {
		return nil, fmt.Errorf("write the public key: %w", err)
	}
	return server.StartService(ctx, b.programs[service], dir,
		"BELLHOP_JWT_SECRET=",
		"BELLHOP_JWT_PUBLIC_KEY_FILE="+file,
		"BELLHOP_JWT_ISSUER=*",
		"BELLHOP_JWT_AUDIENCE=*",
	)
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...) // progress only: the results are in the table
}

// enoughFiles returns an error if this process may not open enough sockets for a number
// of clients. Servers have the same limit.
func enoughFiles(clients int) error {
	const others = maxPublishers + 64
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit on open files: %w", err)
	}
	if need := uint64(clients + others); limit.Max < need {
		return fmt.Errorf("%d clients need %d open files, and the limit is %d: raise it (ulimit -Hn)", clients, need, limit.Max)
	}
	return nil
}

// runAndReportOthers runs the scenarios and reports how much of the machine other
// processes used meanwhile.
func (b *bench) runAndReportOthers(ctx context.Context, scenarios []scenario) (others string, err error) {
	machine, err1 := server.ReadMachine()
	own, err2 := ownTime()
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	failed := b.run(ctx, scenarios)
	machineAfter, err1 := server.ReadMachine()
	ownAfter, err2 := ownTime()
	if err := errors.Join(err1, err2); err != nil {
		return "", errors.Join(failed, err)
	}
	theirs := machineAfter.Busy - machine.Busy - (ownAfter - own)
	share := 100 * max(theirs.Seconds(), 0) / (machineAfter.All - machine.All).Seconds()
	return fmt.Sprintf("other work took %.0f %% of the machine", share), failed
}

// ownTime returns the processor time of this process and of its children that have
// ended.
func ownTime() (time.Duration, error) {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			return 0, fmt.Errorf("read own processor time: %w", err)
		}
		sum += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return sum, nil
}
