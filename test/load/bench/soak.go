//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/server"
	"github.com/bellhop/bellhop/test/load/bench/soak"
)

var errSoakUsage = errors.New("usage: go run ./test/load soak [-for duration] [-users n] [-rate n] [-data dir] [-service program] [-picture file] [-write]")

// picture is the file that the README shows, relative to the top of the repository.
const picture = "test/load/soak.png"

// shortestSoak leaves each sample time to be taken.
const shortestSoak = time.Minute

// runSoak runs the command soak.
func runSoak(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("load soak", flag.ContinueOnError)
	lasts := flags.Duration("for", 10*time.Minute, "duration of the load")
	users := flags.Int("users", 100, "users, each with one connection at a time")
	rate := flags.Int("rate", 200, "publishes per second")
	data := flags.String("data", ".", "directory for the service's data, on a real disk")
	program := flags.String("service", "", "program of a service that has been built already")
	file := flags.String("picture", "", "file for the picture (PNG)")
	writes := flags.Bool("write", false, "write the result into README.md, and the picture beside it")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errors.Join(err, errSoakUsage)
	}
	if *lasts < shortestSoak || *users < 16 || *rate < 1 {
		return errors.New("a soak lasts at least a minute, with at least 16 users and 1 publish per second")
	}
	dir, err := os.MkdirTemp(*data, ".load-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	sync, err := syncTime(dir)
	if err != nil {
		return err
	}
	where, err := conditions(ctx, "go run ./test/load "+strings.Join(append([]string{"soak"}, args...), " "), dir, sync)
	if err != nil {
		return err
	}
	if *program == "" {
		if *program, err = server.Build(ctx, dir, ".", "./cmd/bellhop"); err != nil {
			return err
		}
	}
	b := &bench{progress: os.Stderr}
	result, err := soak.Run(ctx, soak.Options{Program: *program, Dir: dir, For: *lasts, Users: *users, Rate: *rate, Say: b.say})
	if err != nil {
		return err
	}
	text := result.Table() + "\n" + where + "."
	fmt.Println(text)
	if *writes {
		*file = picture
		text = "![memory, goroutines, files, disk and latency during the run](" + filepath.Base(picture) + ")\n\n" + text
		if err := write(readme, "soak", text); err != nil {
			return err
		}
	}
	if *file != "" {
		if err := result.Picture(*file); err != nil {
			return err
		}
	}
	if faults := result.Faults(); len(faults) > 0 {
		return fmt.Errorf("%w: %s", errFault, strings.Join(faults, "; "))
	}
	return nil
}
