package network_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/network"
)

const timeout = 20 * time.Second

// Environment variables of the processes that a test starts on hosts.
const (
	listens = "NETWORK_TEST_LISTENS" // the address at which packets are received
	sends   = "NETWORK_TEST_SENDS"   // the address to which a packet is sent
	text    = "NETWORK_TEST_TEXT"    // its content
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(listens) != "":
		exit(receive(os.Getenv(listens)))
	case os.Getenv(sends) != "":
		exit(send(os.Getenv(sends), os.Getenv(text)))
	default:
		os.Exit(m.Run()) //nolint:forbidigo // the result of the tests
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1) //nolint:forbidigo // the result of a process on a host
}

// receive prints the content of packets until it is killed.
func receive(address string) error {
	var config net.ListenConfig
	c, err := config.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "listening")
	for b := make([]byte, 100); ; {
		n, _, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "%s\n", b[:n])
	}
}

// send sends a packet. There is no error if it is lost.
func send(address, text string) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(context.Background(), "udp", address)
	if err != nil {
		return err
	}
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	os.Exit(0) //nolint:forbidigo // it is sent
	return nil
}

// host is a host with a process that receives packets.
type host struct {
	*network.Host
	received chan string
}

func newHost(t *testing.T, n *network.Network, name string) *host {
	t.Helper()
	h := &host{Host: n.Host(name), received: make(chan string, 100)}
	cmd := h.command(t, listens+"="+h.Address+":9")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines.Scan() {
			h.received <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it runs until then
		<-ended
		_ = cmd.Wait() // it was killed
	})
	return h
}

// command is this test on the host, with a setting.
func (h *host) command(t *testing.T, settings ...string) *exec.Cmd {
	t.Helper()
	words := append(h.Command(), os.Args[0])
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), words[0], words[1:]...)
	cmd.Env, cmd.Stderr = append(os.Environ(), settings...), os.Stderr
	return cmd
}

// send sends a packet to other.
func (h *host) send(t *testing.T, other *host, content string) {
	t.Helper()
	require.NoError(t, h.command(t, sends+"="+other.Address+":9", text+"="+content).Run())
}

// requireNext sends packets from another host until one arrives. No other packets have arrived
// before them.
func (h *host) requireNext(t *testing.T, from *host, content string) {
	t.Helper()
	require.Eventually(t, func() bool {
		from.send(t, h, content)
		select {
		case got := <-h.received:
			assert.Equal(t, content, got)
			return true
		default:
			return false
		}
	}, timeout, 10*time.Millisecond)
	h.drain(t, from)
}

// drain returns when all packets that another host has sent were received.
func (h *host) drain(t *testing.T, from *host) {
	t.Helper()
	from.send(t, h, "last")
	for {
		select {
		case got := <-h.received:
			if got == "last" {
				return
			}
		case <-time.After(timeout):
			t.Fatal("a packet is lost")
		}
	}
}

// Hosts receive each other's packets. While two are cut off from each other, in one direction or
// in both, or one from all, they lose them without an error for the sender.
func TestCutsLosePackets(t *testing.T) {
	n := network.New(t)
	a, b, c := newHost(t, n, "a"), newHost(t, n, "b"), newHost(t, n, "c")
	b.requireNext(t, a, "all")
	a.requireNext(t, b, "all")

	a.CutTo(b.Host)
	a.send(t, b, "lost")
	a.requireNext(t, b, "the other direction")
	b.requireNext(t, c, "another host")
	a.JoinTo(b.Host)
	b.requireNext(t, a, "joined")

	a.Cut(b.Host, c.Host)
	a.send(t, b, "lost")
	c.send(t, a, "lost")
	a.Join(b.Host, c.Host)
	b.requireNext(t, a, "joined")
	a.requireNext(t, c, "joined")
	a.requireNext(t, b, "joined") // from here on, each knows the other's hardware address

	a.Unplug()
	a.send(t, b, "lost")
	b.send(t, a, "lost")
	c.requireNext(t, b, "others")
	a.Plug()
	b.requireNext(t, a, "plugged")
	a.requireNext(t, b, "plugged")
}

// Tests that run at the same time have networks of their own, with hosts of the same names.
func TestNetworksAreSeparate(t *testing.T) {
	addresses := map[string]bool{}
	for _, n := range []*network.Network{network.New(t), network.New(t)} {
		a, b := newHost(t, n, "a"), newHost(t, n, "b")
		a.requireNext(t, b, "the same network")
		addresses[a.Address], addresses[b.Address] = true, true
	}
	require.Len(t, addresses, 4)
}

// A network deletes its hosts when its test ends.
func TestHostsAreDeleted(t *testing.T) {
	var name string
	t.Run("network", func(t *testing.T) {
		h := network.New(t).Host("a")
		name = h.Command()[3]
		require.Contains(t, namespaces(t), name)
	})
	require.NotContains(t, namespaces(t), name)
}

func namespaces(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", "netns", "list").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
