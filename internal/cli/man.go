package cli

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/telemetry"
)

type manCommand struct{}

// Help says how to read the page.
func (*manCommand) Help() string { return "Read it with: bellhop man | man -l -" }

// Run prints the manual page, which has the help of every command and the table of settings. Equal
// programs print equal pages: its date comes from SOURCE_DATE_EPOCH, and is left out without it.
func (*manCommand) Run(t *terminal, parser *kong.Kong) error {
	date := ""
	if epoch := t.getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return usagef("SOURCE_DATE_EPOCH: %q is not a number of seconds", epoch)
		}
		date = time.Unix(seconds, 0).UTC().Format(time.DateOnly)
	}
	p := &manPage{}
	p.head(parser.Model, date)
	p.macro("SH", "COMMANDS")
	for _, command := range parser.Model.Leaves(true) {
		p.command(command)
	}
	p.settings()
	p.tail()
	_, err := io.WriteString(t.stdout, p.text.String())
	return err
}

// manPage writes a page with the macros of man(7).
type manPage struct{ text strings.Builder }

func (p *manPage) head(app *kong.Application, date string) {
	fmt.Fprintf(&p.text, ".TH BELLHOP 1 %q %q \"User Commands\"\n", date, "bellhop "+telemetry.ReadBuild().Version)
	p.text.WriteString(".nh\n.ad l\n") // names are not broken at the ends of lines
	p.macro("SH", "NAME")
	p.line("bellhop - run and use a service of real-time notifications")
	p.macro("SH", "SYNOPSIS")
	p.macro("B", "bellhop")
	p.macro("I", "command")
	p.line("[flags] [arguments]")
	p.macro("SH", "DESCRIPTION")
	p.line(app.Help)
	p.macro("PP")
	p.line("Commands that use a running service read its URL from BELLHOP_URL and a token from BELLHOP_TOKEN. " +
		"Every command has the flag --help.")
}

// command writes the help of a command, without that of the flags that are in the section of
// settings.
func (p *manPage) command(node *kong.Node) {
	p.macro("SS", node.FullPath())
	p.macro("B", strings.TrimSpace(node.FullPath()+" "+summary(node)))
	p.macro("PP")
	p.line(node.Help)
	for paragraph := range strings.SplitSeq(node.Detail, "\n\n") {
		if paragraph != "" {
			p.macro("PP")
			p.line(strings.Join(strings.Fields(paragraph), " "))
		}
	}
	for _, arg := range node.Positional {
		p.entry(arg.Summary(), arg.Help)
	}
	servesSettings := hasAllSettings(node)
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if flag.Name == "help" || flag.Name == "version" || servesSettings && flag.Tag.Type == "setting" {
				continue
			}
			p.entry(signature(flag), describe(flag.Value))
		}
	}
	if servesSettings {
		p.macro("PP")
		p.line("Each setting, but not BELLHOP_JWT_SECRET, is a flag too: see SETTINGS.")
	}
}

// summary returns the flags that a command requires and its arguments, as its usage does.
func summary(node *kong.Node) string {
	return strings.TrimSpace(strings.TrimPrefix(node.Summary(), node.Path()))
}

// hasAllSettings reports whether a command takes every setting as a flag.
func hasAllSettings(node *kong.Node) bool {
	for _, flag := range node.Flags {
		if flag.Name == "retention" { // no command takes it that does not take all
			return true
		}
	}
	return false
}

// signature returns a flag as it is typed.
func signature(flag *kong.Flag) string {
	s := "--" + flag.Name
	if flag.Tag.Negatable != "" {
		s = "--[no-]" + flag.Name
	}
	if flag.Short != 0 {
		s = "-" + string(flag.Short) + ", " + s
	}
	if flag.IsBool() || flag.IsCounter() {
		return s
	}
	return s + "=" + flag.FormatPlaceHolder()
}

// settings writes the table of settings by group.
func (p *manPage) settings() {
	p.macro("SH", "SETTINGS")
	p.line("Settings come from flags, the environment and a YAML file. A flag has precedence over the environment, and the " +
		"environment over the file. BELLHOP_DRAIN_WINDOW=5 in the " +
		"environment, drain_window: 5 in the file and --drain-window=5 are the same. A duration is a number of seconds, or has " +
		"units, such as 12h or 30d. A size is a number of bytes, or has a unit, such as 64KiB. The command \"bellhop config --check FILE\" prints the mistakes " +
		"in a file. Settings that are reloadable take effect when the file has changed; a change of the others waits for a restart.")
	group := ""
	for _, s := range config.Default().Settings() {
		if s.Group != group {
			group = s.Group
			p.macro("SS", group)
		}
		help := s.Help
		if s.Value != "" {
			help += "; default: " + s.Value
		}
		if s.Live {
			help += " (reloadable)"
		}
		p.entry(s.Name, help)
	}
}

func (p *manPage) tail() {
	p.macro("SH", "FILES")
	p.line("The packages for Debian and for systems with RPM have a service, bellhop.service, with these files:")
	p.entry("/etc/bellhop/bellhop.yaml", "the settings of the service")
	p.entry("/var/lib/bellhop", "its data")
	p.entry("/usr/share/doc/bellhop/OPERATING.md", "the guide for operators")
	p.macro("SH", "EXIT STATUS")
	p.entry("0", "success")
	p.entry("1", "failure")
	p.entry("2", "a mistake in the command line or in the settings; nothing was started")
	p.macro("SH", "SEE ALSO")
	p.line("https://github.com/bellhop/bellhop has the source and the guide for operators. A running service shows the description " +
		"of its API at /docs.")
}

// macro writes a macro of man(7) with its arguments.
func (p *manPage) macro(name string, args ...string) {
	p.text.WriteString("." + name)
	for _, arg := range args {
		p.text.WriteString(` "` + strings.ReplaceAll(roff(arg), `"`, `\(dq`) + `"`)
	}
	p.text.WriteString("\n")
}

// entry writes a term and its meaning.
func (p *manPage) entry(term, meaning string) {
	p.macro("TP")
	p.macro("B", term)
	p.line(cmp.Or(meaning, term))
}

// line writes a paragraph of text.
func (p *manPage) line(text string) {
	text = roff(strings.TrimSpace(text))
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text // else it would be a macro
	}
	fmt.Fprintln(&p.text, text)
}

// roff escapes the characters that have a meaning in roff, and hyphens, which would be
// typographic ones, not to be copied into a shell.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(text)
}
