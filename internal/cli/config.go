package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/bellhop/bellhop/internal/config"
)

type configCommand struct {
	Settings config.Config `embed:""`
	Path     string        `arg:"" optional:"" name:"file" help:"YAML file of settings, as --config"`
	Check    bool          `help:"Print every mistake that serve would report, or ok, instead. The exit code is 1 if there is one."`
	Markdown bool          `help:"Print all settings, their defaults and meanings as a Markdown table instead."`
}

// Help says what is checked.
func (*configCommand) Help() string {
	return "bellhop config --check FILE checks the file together with the environment and the flags, as serve reads them, and the files that " +
		"they name: keys, certificates, issuers and API keys. Each mistake has the line of the file that it is in. " +
		"The command neither opens the store nor fetches key sets, and changes nothing."
}

// Run prints the effective settings, and returns the mistakes in them.
func (c *configCommand) Run(t *terminal) error {
	if c.Markdown {
		_, err := io.WriteString(t.stdout, config.Markdown())
		return err
	}
	if c.Path != "" {
		if t.flags["config"] != "" {
			return usagef("give the file of settings once: as FILE or as --config")
		}
		t.flags["config"] = c.Path
	}
	if c.Check {
		return t.checkSettings()
	}
	cfg, mistakes := t.settings(forShow)
	if cfg == nil {
		return mistakes
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SETTING\tVALUE\tCHANGE\tFROM") // Flush returns the error
	for _, s := range cfg.Settings() {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, printable(s.Value), s.Change(), printable(s.Origin.String()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return mistakes
}

// checkSettings prints ok if serve would find no mistake in the settings.
func (t *terminal) checkSettings() error {
	if _, err := t.settings(forService); err != nil {
		return checkError{err}
	}
	_, err := fmt.Fprintln(t.stdout, "ok")
	return err
}

// checkError is what a check has found. Its exit code is that of a failure: the command line
// itself is right.
type checkError struct{ error }

// Unwrap returns the mistakes.
func (e checkError) Unwrap() error { return e.error }

// printable replaces the characters in s that would control a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
