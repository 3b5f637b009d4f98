//go:build !unix

package app

// maxOpenFiles is the limit on open files of this process; 0: it is not known.
func maxOpenFiles() int { return 0 }
