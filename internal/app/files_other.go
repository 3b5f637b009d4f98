//go:build !unix

package app

// openFilesMost is how many files this process may have open; 0: nobody knows.
func openFilesMost() int { return 0 }
