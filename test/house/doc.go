// Package house checks the rules that the sources follow: imports point down, each
// library has few importers, files are short, links between documents lead to
// existing files, texts avoid words that are hard to read, and no file contains a path or
// host of the machine on which it was written. Its tests read the sources and run no code
// of the service. A new package or library fails them until plan.go has its place.
package house
