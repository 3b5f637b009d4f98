// Package house checks the rules that the sources follow: imports point down, each
// library has few importers, files are short, links between documents lead to
// something, and no file contains a trace of the machine that it was written on.
// Its tests read the sources and run nothing. A new package or library fails them
// until plan.go says where it belongs.
package house
