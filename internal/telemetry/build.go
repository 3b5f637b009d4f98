package telemetry

import (
	"runtime"
	"runtime/debug"
)

// Build identifies the running program; bellhop_build_info has it as labels.
type Build struct{ Version, Revision, Go string }

// ReadBuild returns the version and the revision that the Go linker recorded in
// this program. A revision built with uncommitted changes ends in "+changes".
func ReadBuild() Build {
	b := Build{Version: "(devel)", Go: runtime.Version()}
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
