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
	Markdown bool          `help:"Print all settings, their defaults and meanings as a Markdown table instead."`
}

// Run prints the effective settings, and returns the mistakes in them.
func (c *configCommand) Run(t *terminal) error {
	if c.Markdown {
		_, err := io.WriteString(t.stdout, config.Markdown())
		return err
	}
	cfg, mistakes := t.settings(forShow)
	if cfg == nil {
		return mistakes
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SETTING\tVALUE\tFROM") // Flush returns the error
	for _, s := range cfg.Settings() {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, printable(s.Value), printable(s.Origin.String()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return mistakes
}

// printable replaces the characters in s that would control a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
