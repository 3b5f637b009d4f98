package app

import (
	"os"
	"os/signal"
	"syscall"
)

// survivePipes keeps a command that serves alive when nobody reads its stdout or
// stderr any more: writing there fails instead of raising SIGPIPE, of which Go's
// runtime would end the process. The other commands end as users of a shell
// expect, for instance in "bellhop listen | head".
func survivePipes() { signal.Ignore(syscall.SIGPIPE) }

// catchHangups returns the SIGHUPs that the process gets from now on. They do not
// end it any more, be it that they come from a terminal that is closed.
func catchHangups() <-chan os.Signal {
	hangups := make(chan os.Signal, 1) // one that waits stands for all that come meanwhile
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}
