package nowait

import "net"

// RemoteAddr implements net.Conn. It is what net/http asks for first in the
// goroutine that is to serve the connection: its stack is made as large here as a
// handshake takes, while there is next to nothing on it. It would come to that by
// and by, and be copied three times with all that is on it, which is an eighth of
// what a handshake costs. The collector takes back what is not used.
func (c *conn) RemoteAddr() net.Addr {
	growStack()
	return c.TCPConn.RemoteAddr()
}

// stackRoom makes a stack of 16 KiB: the size is doubled until it fits.
const stackRoom = 8 << 10

// growStack has a stack with room for its array.
//
//go:noinline
func growStack() {
	var room [stackRoom]byte
	touch(&room)
}

// touch keeps the array from being left out.
//
//go:noinline
func touch(*[stackRoom]byte) {}
