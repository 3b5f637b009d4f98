package cli

import "os"

// sameOwner does nothing: a new file has the permissions of its directory.
func sameOwner(string, *os.File) error { return nil }
