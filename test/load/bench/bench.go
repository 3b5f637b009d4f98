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

// crowdLoops is how many goroutines share the sockets.
const crowdLoops = 2

// bench is one call of the tool: what is measured, with what, and what came of
// it.
type bench struct {
	sizes    sizes
	dir      string // for programs, data and logs; removed at the end
	programs map[side]string
	results  *results
	progress io.Writer
	rs256    *rs256 // nil until it is needed
	profiles string // directory for profiles of the service; empty: none are taken
	profiled int    // how many are there
}

// rs256 is what a service with a public key is spoken to and started with.
type rs256 struct {
	dialect   *dialect.Service
	publicKey []byte
}

// build compiles floor and service. A service that has been built already is
// taken as it is.
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

// run runs every scenario. What is wrong with one run does not keep the others
// from being measured.
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

// turns runs a scenario in turn on floor and service, as often as the sizes say.
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

// timed runs f, and says how long it took and what went wrong.
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

// runOne starts one server afresh and runs one scenario on it.
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

// makeDir makes a directory in which a server may keep its data and its log.
func (b *bench) makeDir(name string) (dir string, err error) {
	if dir, err = os.MkdirTemp(b.dir, name+"-"); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	return dir, nil
}

// start starts the server of the session's side, and finds how to speak to it.
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

// startRS256 starts a service that knows no secret but a public key. The tokens
// are signed for the first of its kind and used by all.
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
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...) // to a terminal; what counts is in the table
}

// enoughFiles returns an error if this process may not open so many sockets.
// Servers have the same limit.
func enoughFiles(clients int) error {
	const besides = maxPublishers + 64
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit on open files: %w", err)
	}
	if need := uint64(clients + besides); limit.Max < need {
		return fmt.Errorf("%d clients need %d open files, and the limit is %d: raise it (ulimit -Hn)", clients, need, limit.Max)
	}
	return nil
}

// runBesideOthers runs the scenarios and says how much of the machine was taken
// by others meanwhile.
func (b *bench) runBesideOthers(ctx context.Context, scenarios []scenario) (others string, err error) {
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

// ownTime returns the processor time of this process and of all that it has
// started and waited for.
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
