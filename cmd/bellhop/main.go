// Command bellhop tells users things in real time and keeps what they missed.
// Run bellhop --help.
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
	context.AfterFunc(ctx, stop) // the second signal kills at once
	return cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
}
