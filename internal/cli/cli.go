// Package cli is bellhop's command line: serve and demo, which run the service,
// and the commands that talk to a running service or prepare one. Main runs the
// command that the arguments name and returns the exit code of the process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// The exit codes of the program.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // a mistake in the command line or the settings; nothing was started
)

// commands is the command line, with one field per command. Kong parses the
// arguments into it and generates the help.
type commands struct {
	Version kong.VersionFlag `help:"Print the version and exit."`

	Serve       serveCommand       `cmd:"" help:"Run the service."`
	Demo        demoCommand        `cmd:"" help:"Run the service with a random secret and a demo page; needs no settings."`
	Token       tokenCommand       `cmd:"" help:"Sign a token with the configured shared secret."`
	Key         keyCommand         `cmd:"" help:"Make API keys for backends."`
	Send        sendCommand        `cmd:"" help:"Publish a notification to users, to topics or to everyone."`
	Listen      listenCommand      `cmd:"" help:"Connect as a user and print the notifications."`
	Inbox       inboxCommand       `cmd:"" help:"List an inbox, newest first."`
	Removed     removedCommand     `cmd:"" help:"List the notifications that have left the inbox of a user, and why."`
	Read        readCommand        `cmd:"" help:"Mark notifications as read."`
	Why         whyCommand         `cmd:"" help:"Say what became of a notification: who has read it, and why others have not."`
	Export      exportCommand      `cmd:"" help:"Write everything that is kept about a user to a file."`
	Erase       eraseCommand       `cmd:"" help:"Remove everything that is kept about a user."`
	Revoke      revokeCommand      `cmd:"" help:"Refuse the tokens that a user has, or one token, from now on."`
	Topics      topicsCommand      `cmd:"" help:"Print and change the members of topics."`
	Preferences preferencesCommand `cmd:"" help:"Print and replace the preferences of a user."`
	Completion  completionCommand  `cmd:"" help:"Print the completion script of a shell."`
	Man         manCommand         `cmd:"" help:"Print the manual page."`
	Health      healthCommand      `cmd:"" help:"Ask the service on this machine whether it is ready; for a container's health check."`
	Backup      backupCommand      `cmd:"" help:"Write a backup of the running service to a file."`
	Restore     restoreCommand     `cmd:"" help:"Restore a backup into an empty data directory."`
	Cluster     clusterCommand     `cmd:"" help:"Operate a cluster."`
	Metrics     metricsCommand     `cmd:"" help:"Print metrics of a running service."`
	LogLevel    logLevelCommand    `cmd:"" help:"Show or change the level of the log of a running service."`
	LogUser     logUserCommand     `cmd:"" help:"Print the hash that stands for a user in the log of a running service."`
	Config      configCommand      `cmd:"" help:"Print the effective settings and where each came from, or check them."`
	VersionCmd  versionCommand     `cmd:"" name:"version" help:"Print the version, the commit and the version of Go."`
}

// terminal has the context, the environment and the outputs of a command.
type terminal struct {
	ctx     context.Context //nolint:containedctx // kong hands a command its arguments as one value
	environ []string
	stdout  io.Writer
	stderr  io.Writer

	flags map[string]string // the values, as typed, of the flags that are settings

	log    *telemetry.Output   // stderr of a command that serves
	onTerm bool                // stderr is a terminal
	queues []*telemetry.Output // those that detach has put before stdout and stderr
}

// detach puts a queue before stdout and another before stderr, for a command that
// serves: an output that is not read, or is closed, neither blocks nor ends it.
func (t *terminal) detach() {
	ignoreBrokenPipes()
	t.onTerm = isTerminal(t.stderr)
	stdout := telemetry.NewOutput(t.stdout)
	t.log = telemetry.NewOutput(t.stderr)
	t.stdout, t.stderr = stdout, t.log
	t.queues = append(t.queues, stdout, t.log)
}

// newLog returns the log of a command that serves: for the format auto, in text on a terminal
// and in JSON elsewhere.
func (t *terminal) newLog(level slog.Level, format string) *telemetry.Log {
	if format == "auto" {
		format = "json"
		if t.onTerm {
			format = "text"
		}
	}
	return telemetry.NewLog(t.log, level, format)
}

// flush writes the queued output; it gives up after a time limit.
func (t *terminal) flush() {
	for _, q := range t.queues {
		q.Close()
	}
}

// Main runs the command that args name and returns the exit code of the
// program: 0, 1 for a failure, 2 for a mistake in args or the settings.
func Main(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	t := &terminal{ctx: ctx, environ: environ, stdout: stdout, stderr: stderr, flags: map[string]string{}}
	defer t.flush()
	exited := -1 // the exit code of --help and --version, which run while args are parsed
	parser, err := kong.New(&commands{},
		kong.Name("bellhop"),
		kong.Description("Real-time notifications: published once, stored, and delivered in order to every screen of a user."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.Vars{"version": versionLine()},
		kong.NamedMapper("setting", settingMapper(t.flags)),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), durationMapper()),
		kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Bind(t),
	)
	if err != nil {
		return t.fail(err)
	}
	if t.completes(parser) {
		return exitOK
	}
	if len(args) > 0 && args[0] == "help" { // bellhop help serve, as other programs have it
		args = append(slices.Clone(args[1:]), "--help")
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		return t.fail(usageError{err.Error() + "\n" + hint(err)})
	}
	if err := command.Run(); err != nil {
		return t.fail(err)
	}
	return exitOK
}

// hint says which help is about a mistake in the command line: that of its command, or the list of commands.
func hint(err error) string {
	mistake, ok := errors.AsType[*kong.ParseError](err)
	if !ok || mistake.Context.Selected() == nil {
		return `"bellhop --help" lists the commands.`
	}
	return fmt.Sprintf("%q explains the command.", mistake.Context.Selected().FullPath()+" --help")
}

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// fail prints err and returns the exit code for it.
func (t *terminal) fail(err error) int {
	var mistakes config.Mistakes
	if errors.As(err, &mistakes) {
		t.note("bellhop: these settings are wrong:\n  %s", strings.Join(strings.Split(mistakes.Error(), "\n"), "\n  "))
		if errors.As(err, &checkError{}) {
			return exitFailure
		}
		return exitUsage
	}
	t.note("bellhop: %v", err)
	var usage usageError
	var settings *app.SettingsError
	if errors.As(err, &usage) || errors.As(err, &settings) {
		return exitUsage
	}
	return exitFailure
}

// note writes a line for people to stderr, apart from the output of the command.
// A failure to write it has no consequence.
func (t *terminal) note(format string, args ...any) {
	_, _ = fmt.Fprintf(t.stderr, format+"\n", args...)
}

// getenv returns the last value of a variable.
func (t *terminal) getenv(name string) string {
	value := ""
	for _, e := range t.environ {
		if n, v, _ := strings.Cut(e, "="); n == name {
			value = v
		}
	}
	return value
}

// settingMapper stores the flags that are settings in flags, as they were typed.
// Package config then parses file, environment and flags in the same way, and
// reports all mistakes together.
func settingMapper(flags map[string]string) kong.Mapper {
	return kong.MapperFunc(func(ctx *kong.DecodeContext, _ reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("value", &text); err != nil {
			return err
		}
		name := ctx.Value.Name
		if before := flags[name]; before != "" && ctx.Value.IsCumulative() {
			text = before + "," + text
		}
		flags[name] = text
		return nil
	})
}

// describe adds the variable and the default of a setting to the help of its flag.
func describe(v *kong.Value) string {
	if v.Tag.Type != "setting" {
		return kong.DefaultHelpValueFormatter(v)
	}
	variable := config.Variable(v.Name)
	for _, s := range config.Default().Settings() {
		if s.Name == variable && s.Value != "" {
			return fmt.Sprintf("%s (%s, default %s)", v.Help, variable, s.Value)
		}
	}
	return fmt.Sprintf("%s (%s)", v.Help, variable)
}
