package natsserver

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// Program is a testing.TB for servers that do not belong to a single test. A failure ends the
// program by a panic.
type Program struct {
	testing.TB
	cleanups []func()
}

// Helper is of testing.TB.
func (*Program) Helper() {}

// Failed is of testing.TB: a failure has ended the program.
func (*Program) Failed() bool { return false }

// Context is of testing.TB.
func (*Program) Context() context.Context { return context.Background() }

// Fatal is of testing.TB.
func (*Program) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// Fatalf is of testing.TB.
func (*Program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Cleanup is of testing.TB. End calls f.
func (p *Program) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

// TempDir is of testing.TB. End removes the directory.
func (p *Program) TempDir() string {
	dir, err := os.MkdirTemp("", "bellhop-")
	if err != nil {
		panic(err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// End calls the functions of Cleanup, the last one first.
func (p *Program) End() {
	for len(p.cleanups) > 0 {
		last := len(p.cleanups) - 1
		p.cleanups[last]()
		p.cleanups = p.cleanups[:last]
	}
}
