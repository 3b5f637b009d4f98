package nowait

import (
	"net"
	"time"
)

// Dialer dials TCP connections that read and write without telling Go's scheduler about the
// system calls. It suits a process that is idle until the next small message arrives: a system call
// that the scheduler knows of wakes the monitor thread of an idle runtime, which then polls every
// 20 µs for a while.
type Dialer struct {
	Timeout time.Duration // of Dial
}

// Dial returns a connection to an address, as net.Dialer does.
func (d Dialer) Dial(network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: d.Timeout}).Dial(network, address)
	if err != nil {
		return nil, err //nolint:wrapcheck // as of net.Dialer
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		return newOutgoing(tcp), nil
	}
	return c, nil
}
