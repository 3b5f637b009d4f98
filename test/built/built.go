// Package built builds bellhop for tests that run it in processes of their own.
package built

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// Program is bellhop, which the first test that needs it builds for all tests of a package.
type Program struct {
	args []string

	mu   sync.Mutex
	done bool // or failed to
	dir  string
	err  error
}

// New returns a program that is not built yet. args are additional ones for go build, such as -race.
func New(args ...string) *Program { return &Program{args: args} }

// Path returns the path of the built program.
func (p *Program) Path(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.done = true
		p.err = p.build()
	}
	if p.err != nil {
		t.Fatalf("build bellhop: %v", p.err)
	}
	return filepath.Join(p.dir, "bellhop")
}

func (p *Program) build() (err error) {
	if p.dir, err = os.MkdirTemp("", "bellhop-built-"); err != nil {
		return err
	}
	_, file, _, _ := runtime.Caller(0)
	build := exec.Command("go", slices.Concat([]string{"build", "-o", filepath.Join(p.dir, "bellhop")}, p.args, []string{"./cmd/bellhop"})...)
	build.Dir = filepath.Join(filepath.Dir(file), "..", "..") // its module, and not that of the test
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Remove removes the program if it was built. TestMain calls it after the tests.
func (p *Program) Remove() {
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}
