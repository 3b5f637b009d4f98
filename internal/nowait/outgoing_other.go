//go:build !unix

package nowait

import "net"

// newOutgoing returns c: on this system a read must wait.
func newOutgoing(c *net.TCPConn) net.Conn { return c }
