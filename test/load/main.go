// Command load builds and runs the load tool, which measures the speed and the
// cost of the service; see README.md. The tool is a module of its own, in bench,
// so that building, vetting and linting the service do not include it. It must be
// started in the top directory of the repository.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// failed is the exit code if the tool could not be built or started.
const failed = 2

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
	}
	os.Exit(code)
}

// run builds the tool into a temporary directory, runs it with args until it ends
// and returns its exit code.
func run(ctx context.Context, args []string) (code int, err error) {
	dir, err := os.MkdirTemp("", "bellhop-load-")
	if err != nil {
		return failed, fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	program := filepath.Join(dir, "load")
	build := exec.CommandContext(ctx, "go", "build", "-C", "test/load/bench", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return failed, fmt.Errorf("build the load tool (run it in the top directory of the repository): %w\n%s", err, out)
	}
	tool := exec.CommandContext(ctx, program, args...)
	tool.Stdin, tool.Stdout, tool.Stderr = os.Stdin, os.Stdout, os.Stderr
	tool.Cancel = func() error { return tool.Process.Signal(syscall.SIGTERM) } // the tool stops its servers
	var exit *exec.ExitError
	if err := tool.Run(); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil // -1 if a signal ended the tool
	} else if err != nil {
		return failed, fmt.Errorf("run the load tool: %w", err)
	}
	return 0, nil
}
