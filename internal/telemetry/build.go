package telemetry

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// The linker sets these with -X in the builds of a release and of the image. They are for
// builds without the repository, and they make two builds of one commit equal, wherever they
// are made.
//
//nolint:gochecknoglobals // the linker cannot set anything else
var (
	version  string
	revision string
)

// Build identifies the running program; bellhop_build_info has it as labels.
type Build struct{ Version, Revision, Go string }

// ReadBuild returns the version and the revision that the linker recorded in this program: those
// that the build has given to it, else those that Go has found in the repository. A revision
// that Go found with uncommitted changes ends in "+changes".
func ReadBuild() Build {
	b := recorded()
	b.Version, b.Revision = cmp.Or(version, b.Version), cmp.Or(revision, b.Revision)
	return b
}

// recorded returns what Go has found in the repository.
func recorded() Build {
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
