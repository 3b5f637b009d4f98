package nowait

import "net"

// GrowStack gives the calling goroutine, which must be the one that serves c, a stack as
// large as a WebSocket handshake needs. It does so once for each connection of Listen.
// Growing step by step, the runtime would copy the stack three times, with more on it
// each time; the garbage collector shrinks a stack that is not used. The step belongs
// into http.Server.ConnState at http.StateActive, which net/http calls in that goroutine.
func GrowStack(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = t.NetConn()
	}
	if c, ok := c.(*conn); ok && !c.grown {
		c.grown = true
		growStack()
	}
}

// stackRoom leads to a stack of 16 KiB: the runtime doubles the size until the array
// fits.
const stackRoom = 8 << 10

// growStack needs a stack that fits its array.
//
//go:noinline
func growStack() {
	var room [stackRoom]byte
	use(&room)
}

// use keeps the compiler from removing the array.
//
//go:noinline
func use(*[stackRoom]byte) {}
