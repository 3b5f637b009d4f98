package natsserver

import (
	"net"
	"testing"
)

// addresses are those of one server, with ports.
type addresses struct {
	clients, monitor, cluster string
	command                   []string // of Host
}

// addressesOf returns the addresses of all servers.
func addressesOf(t testing.TB, o Options) (all []addresses) {
	t.Helper()
	for _, h := range o.Hosts {
		all = append(all, addresses{h.Address + ":4222", h.Address + ":8222", h.Address + ":6222", h.Command})
	}
	if len(all) == 0 {
		ports := FreePorts(t, 3*o.Servers)
		for i := range o.Servers {
			all = append(all, addresses{clients: ports[3*i], monitor: ports[3*i+1], cluster: ports[3*i+2]})
		}
	}
	if len(all) != o.Servers {
		t.Fatalf("%d hosts for %d servers", len(all), o.Servers)
	}
	return all
}

// FreePorts returns addresses of the loopback interface that nothing listens on.
func FreePorts(t testing.TB, n int) (addresses []string) {
	t.Helper()
	var open []net.Listener
	for range n {
		var l net.ListenConfig
		one, err := l.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		open, addresses = append(open, one), append(addresses, one.Addr().String())
	}
	for _, l := range open { // after all were chosen, so that they differ
		_ = l.Close()
	}
	return addresses
}
