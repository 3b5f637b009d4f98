// Command bellhop runs the notification service, and has commands that use a running
// service. Run bellhop --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/bellhop/bellhop/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process immediately
	return cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
}
