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

	"github.com/bellhop/bellhop/test/load/crowd"
	"github.com/bellhop/bellhop/test/load/dialect"
	"github.com/bellhop/bellhop/test/load/server"
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
}

// build compiles floor and service. A service that has been built already is
// taken as it is.
func (b *bench) build(ctx context.Context, built string) error {
	floorProgram, err := server.Build(ctx, b.dir, "./test/load/floor")
	if err != nil {
		return err
	}
	if built == "" {
		if built, err = server.Build(ctx, b.dir, "./cmd/bellhop"); err != nil {
			return err
		}
	}
	b.programs = map[side]string{floor: floorProgram, service: built}
	return nil
}

// run runs every scenario in turn on floor and service, as often as the sizes
// say. What is wrong with one run does not keep the others from being measured.
func (b *bench) run(ctx context.Context, scenarios []scenario) error {
	var errs []error
	for _, sc := range scenarios {
		if err := enoughFiles(sc.clients(b.sizes)); err != nil {
			return err
		}
		for round := range b.sizes.rounds {
			for _, side := range []side{floor, service} {
				start := time.Now()
				err := b.runOne(ctx, sc, side)
				b.say("%-10s %-7s round %d  %4.1f s", sc.name, side, round+1, time.Since(start).Seconds())
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					b.say("           %v", err)
					errs = append(errs, fmt.Errorf("%s, %s: %w", sc.name, side, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// runOne starts one server afresh and runs one scenario on it.
func (b *bench) runOne(ctx context.Context, sc scenario, which side) (err error) {
	dir, err := os.MkdirTemp(b.dir, sc.name+"-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}

	s := &session{side: which, sizes: b.sizes, epoch: time.Now(), clients: sc.clients(b.sizes), results: b.results}
	s.toUser = make([]uint32, s.clients)
	if err := s.start(ctx, b.programs[which], dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.server.Stop()) }()

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

// start starts the server of the session's side, and finds how to speak to it.
func (s *session) start(ctx context.Context, program, dir string) (err error) {
	if s.side == floor {
		s.dialect = dialect.NewFloor()
		s.server, err = server.StartFloor(ctx, program, dir)
		return err
	}
	s.dialect = dialect.NewService(server.Secret, maxPublishers)
	s.server, err = server.StartService(ctx, program, dir)
	return err
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
