//go:build linux

// Command load measures the service and, in turn, the floor: a minimal server that
// shows the cost of the kernel and net/http. Its clients cost little. See README.md.
//
//	go run ./test/load quick    takes about a minute; fails only if a promise is broken
//	go run ./test/load all      measures every target at full size; writes into README.md
//	go run ./test/load report   measures durable publishing; writes into README.md
//	go run ./test/load cluster  measures one to three nodes on three NATS servers; writes into README.md
//	go run ./test/load soak     ten minutes or more of mixed load; fails if something was lost, or grew
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, errFault):
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "load: could not measure:", err)
		os.Exit(2)
	}
}

// command is one way to call the tool.
type command struct {
	sizes     sizes
	scenarios []scenario
	table     func(*results) string
	counts    func(sizes) string // describes the sizes below the table
	section   string             // section of README.md to write; if empty, the table is only printed
}

func countsOfQuick(s sizes) string {
	return fmt.Sprintf("%d idle connections, %d receiving connections, %d missed each", s.idle, s.clients, s.missed)
}

func countsOfAll(s sizes) string {
	return fmt.Sprintf("%d idle connections, %d receiving connections, %d missed each; "+
		"growth from %d to %d connections and from %d to %d users with history; a full store keeps %d notifications",
		s.idle, s.clients, s.missed, s.few, s.idle, s.fewUsers, s.manyUsers, s.kept)
}

func countsOfReport(s sizes) string {
	return fmt.Sprintf("%d connections", s.clients)
}

func countsOfCluster(s sizes) string {
	return fmt.Sprintf("%d connections; a new node catches up with notifications of %d users", s.clients, s.fewUsers)
}

func commands() map[string]command {
	full := sizes{
		rounds: 3, idle: 19_000, clients: 10_000, missed: 20,
		few: 1_000, fewUsers: 10_000, manyUsers: 1_000_000, kept: 5_000_000,
		lasts: 5 * time.Second, settles: 5 * time.Second, warmUp: 500 * time.Millisecond,
	}
	small := sizes{
		rounds: 2, idle: 2_000, clients: 2_000, missed: 5,
		few: 200, fewUsers: 1_000, manyUsers: 20_000, kept: 100_000,
		lasts: time.Second, settles: time.Second, warmUp: 200 * time.Millisecond,
	}
	cluster := full
	cluster.clients, cluster.warmUp = 1_000, time.Second
	cluster.entries = mostEntries
	return map[string]command{
		"quick":   {small, basics(), targetTable, countsOfQuick, ""},
		"all":     {full, everything(), targetTable, countsOfAll, "targets"},
		"cluster": {cluster, clustered(), clusterTables, countsOfCluster, "cluster"},
		"report":  {full, throughput(), durableTable, countsOfReport, "durable publishing"},
	}
}

var errUsage = errors.New("usage: go run ./test/load quick|all|report|cluster|soak [-only names] [-rounds n] [-clients n] [-idle n] [-kept n] [-entries n] [-data dir] [-service program] [-profile dir]")

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	if args[0] == "soak" {
		return runSoak(ctx, args[1:])
	}
	c, known := commands()[args[0]]
	if !known {
		return errUsage
	}
	flags := flag.NewFlagSet("load "+args[0], flag.ContinueOnError)
	only := flags.String("only", "", "scenarios to run, separated by commas; the table is then only printed")
	data := flags.String("data", ".", "directory for the service's data, on a real disk")
	program := flags.String("service", "", "program of a service that has been built already")
	profiles := flags.String("profile", "", "directory for profiles of the service; taking them costs a little processor time")
	flags.IntVar(&c.sizes.rounds, "rounds", c.sizes.rounds, "number of measurements of floor and service, in turn")
	flags.IntVar(&c.sizes.clients, "clients", c.sizes.clients, "connections that receive notifications")
	flags.IntVar(&c.sizes.idle, "idle", c.sizes.idle, "connections that do nothing")
	flags.IntVar(&c.sizes.kept, "kept", c.sizes.kept, "notifications in the full store of the start scenario; 0 omits it")
	flags.IntVar(&c.sizes.entries, "entries", c.sizes.entries, "notifications with which a new node of a cluster catches up, at least 150000; 0 omits it")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
		return errors.Join(err, errUsage)
	}
	if *only != "" {
		chosen, err := choose(slices.Concat(c.scenarios, everything()), *only)
		if err != nil {
			return err
		}
		c.scenarios, c.section = chosen, ""
	}
	return c.measure(ctx, "go run ./test/load "+strings.Join(args, " "), *data, *program, *profiles)
}

// measure runs the command, prints its table and writes it into the command's section
// of README.md, if there is one.
func (c command) measure(ctx context.Context, line, data, program, profiles string) (err error) {
	// There are more Go processors than loops, so that only the kernel schedules them:
	// a loop must never wait for the time slice of another one.
	runtime.GOMAXPROCS(crowdLoops + runtime.NumCPU() + 1)

	dir, err := os.MkdirTemp(data, ".load-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sync, err := syncTime(dir)
	if err != nil {
		return err
	}
	where, err := conditions(ctx, line, dir, sync)
	if err != nil {
		return err
	}

	if profiles != "" {
		if err := os.MkdirAll(profiles, 0o755); err != nil {
			return fmt.Errorf("make the directory for profiles: %w", err)
		}
	}
	b := &bench{sizes: c.sizes, dir: dir, results: newResults(), progress: os.Stderr, profiles: profiles}
	b.results.add(anFsync, floor, milliseconds(sync.Quantile(0.5)))
	b.say("%s", where)
	if err := b.build(ctx, program); err != nil {
		return err
	}
	others, err := b.runAndReportOthers(ctx, c.scenarios)
	text := fmt.Sprintf("%s\nRounds: %d; each figure is the median (lowest–highest); %s.\n%s; %s.",
		c.table(b.results), c.sizes.rounds, c.counts(c.sizes), where, others)
	fmt.Println(text)
	if err != nil || c.section == "" {
		return err
	}
	return write(readme, c.section, text)
}
