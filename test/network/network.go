// Package network makes hosts for tests of faults of a network: network namespaces of Linux
// that a bridge connects. Each host has an address of its own, and the test process reaches
// all of them. The connection between two hosts can be cut in both directions or in one, and a
// host can be cut off from all others. Packets are then dropped without an error, as by a
// broken switch.
//
// It needs root, and the command ip of Debian's package iproute2. All hosts are deleted when
// the test ends; those of a test process that was killed, when the next one starts.
package network

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// prefix begins the names of all namespaces. The ID of the test process and the number of the
// network follow.
const prefix = "bellhop-"

// most is the maximum number of networks of a test process at a time.
const most = 4

// Network is a number of hosts. Its methods may be called by one goroutine at a time.
type Network struct {
	t     testing.TB
	names string // beginning of the names of its namespaces
	own   string // interface of the test process
	first int    // the lowest address, counted from 198.18.0.0
	hosts int
}

// Host is a network namespace with one address.
type Host struct {
	Name    string
	Address string

	n         *Network
	namespace string
	port      string // of the bridge
}

// New returns a network without hosts.
func New(t testing.TB) *Network {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatalf("missing: ip, with which this test makes network namespaces; install it (Debian: iproute2): %v", err)
	}
	deleteLeftovers(t)
	n := &Network{t: t}
	n.claim()
	t.Cleanup(n.delete)
	n.ip("-n", n.bridge(), "link", "add", "name", "bridge", "type", "bridge")
	n.ip("-n", n.bridge(), "link", "set", "bridge", "up")
	// The bridge has a namespace of its own, so that no firewall of the machine filters its
	// packets, and so that it is deleted with the namespace.
	n.ip("-n", n.bridge(), "link", "add", "name", "test", "type", "veth", "peer", "name", n.own, "netns", strconv.Itoa(os.Getpid()))
	n.ip("-n", n.bridge(), "link", "set", "test", "master", "bridge", "up")
	n.ip("addr", "add", n.address(1)+addressBits, "dev", n.own)
	n.ip("link", "set", n.own, "up")
	return n
}

// claim gives n a number that no other network of the process has, by making the namespace of
// its bridge.
func (n *Network) claim() {
	n.t.Helper()
	pid := os.Getpid()
	var out []byte
	for i := range most {
		n.names, n.own = fmt.Sprintf("%s%d-%d-", prefix, pid, i), fmt.Sprintf("bellhop%d%d", pid, i)
		n.first = (pid*most + i) % (2 << 16 / perNetwork) * perNetwork
		var err error
		if out, err = exec.Command("ip", "netns", "add", n.bridge()).CombinedOutput(); err == nil {
			return
		}
	}
	n.t.Fatalf("ip netns add %s: %s\nThis test makes network namespaces, which needs root, and in a container --privileged; "+
		"a test process has at most %d networks at a time.", n.bridge(), out, most)
}

// perNetwork is the number of addresses of a network, and addressBits its prefix length.
const (
	perNetwork  = 64
	addressBits = "/26"
)

// address returns an address of the network. 198.18.0.0/15 is reserved for tests of networks
// (RFC 2544).
func (n *Network) address(host int) string {
	a := n.first + host
	return fmt.Sprintf("198.%d.%d.%d", 18+a>>16, a>>8&0xff, a&0xff)
}

func (n *Network) bridge() string { return n.names + "bridge" }

// Host adds a host with a name of a few letters.
func (n *Network) Host(name string) *Host {
	n.t.Helper()
	n.hosts++
	h := &Host{Name: name, Address: n.address(n.hosts + 1), n: n, namespace: n.names + name, port: "to-" + name}
	n.ip("netns", "add", h.namespace)
	n.ip("-n", n.bridge(), "link", "add", "name", h.port, "type", "veth", "peer", "name", "eth0", "netns", h.namespace)
	n.ip("-n", n.bridge(), "link", "set", h.port, "master", "bridge", "up")
	n.ip("-n", h.namespace, "addr", "add", h.Address+addressBits, "dev", "eth0")
	n.ip("-n", h.namespace, "link", "set", "eth0", "up")
	n.ip("-n", h.namespace, "link", "set", "lo", "up")
	return h
}

// Command returns the command that runs another one on the host: its words come before those
// of the other one. The process has the ID that the command had.
func (h *Host) Command() []string { return []string{"ip", "netns", "exec", h.namespace} }

// nobody is a hardware address that no host has.
const nobody = "02:00:00:00:00:00"

// CutTo drops all packets from h to other from now on. Those from other to h arrive.
func (h *Host) CutTo(other *Host) {
	h.n.t.Helper()
	// Unlike a blackhole route, which gives local senders an error, this loses packets only.
	h.n.ip("-n", h.namespace, "neigh", "replace", other.Address, "lladdr", nobody, "dev", "eth0", "nud", "permanent")
}

// JoinTo ends CutTo.
func (h *Host) JoinTo(other *Host) {
	h.n.t.Helper()
	h.n.ip("-n", h.namespace, "neigh", "del", other.Address, "dev", "eth0")
}

// Cut cuts h and others off from each other.
func (h *Host) Cut(others ...*Host) {
	h.n.t.Helper()
	for _, o := range others {
		h.CutTo(o)
		o.CutTo(h)
	}
}

// Join ends Cut.
func (h *Host) Join(others ...*Host) {
	h.n.t.Helper()
	for _, o := range others {
		h.JoinTo(o)
		o.JoinTo(h)
	}
}

// Unplug cuts h off from all hosts and from the test process. Its own end of the cable stays up,
// so that its programs get no error either.
func (h *Host) Unplug() {
	h.n.t.Helper()
	h.n.ip("-n", h.n.bridge(), "link", "set", h.port, "nomaster")
}

// Plug ends Unplug.
func (h *Host) Plug() {
	h.n.t.Helper()
	h.n.ip("-n", h.n.bridge(), "link", "set", h.port, "master", "bridge")
}

// ip runs the command ip.
func (n *Network) ip(args ...string) {
	n.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput() // not with the test's context, which has ended in cleanups
	if err != nil {
		n.t.Fatalf("ip %s: %v: %s\nThis test makes network namespaces, which needs root, and in a container --privileged.",
			strings.Join(args, " "), err, out)
	}
}

// delete deletes all hosts. Processes that still run on one keep it until they end.
func (n *Network) delete() {
	_ = exec.Command("ip", "link", "del", n.own).Run() // which the kernel also does, but later
	for _, name := range namespaces(n.t) {
		if strings.HasPrefix(name, n.names) {
			n.ip("netns", "del", name)
		}
	}
}

// deleteLeftovers deletes the namespaces of test processes that were killed.
func deleteLeftovers(t testing.TB) {
	t.Helper()
	for _, name := range namespaces(t) {
		rest, ours := strings.CutPrefix(name, prefix)
		owner, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(owner)
		if !ours || err != nil {
			continue
		}
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err != nil {
			_ = exec.Command("ip", "netns", "del", name).Run() // another test process may have deleted it
		}
	}
}

// namespaces returns the names of all network namespaces.
func namespaces(t testing.TB) (names []string) {
	t.Helper()
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatalf("ip netns list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		names = append(names, name)
	}
	return names
}
