package natsserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
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
func FreePorts(t testing.TB, n int) []string {
	t.Helper()
	addresses, err := FreeAddresses(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return addresses
}

// FreeAddresses is FreePorts for programs. Linux gives outgoing connections ports from 32768 on, so that none of them
// takes one of these before it is used.
func FreeAddresses(ctx context.Context, n int) (addresses []string, err error) {
	var open []net.Listener
	defer func() {
		for _, l := range open { // after all were chosen, so that they differ
			_ = l.Close()
		}
	}()
	for tries := 0; len(open) < n; tries++ {
		var config net.ListenConfig
		port := 10_000 + rand.IntN(32_768-10_000)
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		switch {
		case err == nil:
			open, addresses = append(open, l), append(addresses, l.Addr().String())
		case tries == 100+n:
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	return addresses, nil
}
