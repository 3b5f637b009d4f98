package app

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/bellhop/bellhop/internal/telemetry"
)

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(t *terminal) error {
	_, err := fmt.Fprintln(t.stdout, versionLine())
	return err
}

func versionLine() string {
	b := build()
	line := "bellhop " + b.Version
	if b.Revision != "" {
		line += " " + b.Revision
	}
	return line + " " + b.Go
}

// build returns what the Go linker noted of this program.
func build() telemetry.Build {
	b := telemetry.Build{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value + b.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Revision += "+changes"
		}
	}
	return b
}
