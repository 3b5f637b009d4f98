//go:build linux

package publish

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/test/load/bench/poll"
)

// publisher is one connection, with at most one request under way.
type publisher struct {
	flood  *flood
	number int
	fd     int

	due           time.Duration
	notifications int
	request       []byte
	unsent        []byte // of request
	answer        []byte // the part of the response that has arrived
}

// dial connects publisher number n. It blocks, because there are few publishers.
func dial(f *flood, n int) (*publisher, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	p := &publisher{flood: f, number: n, fd: fd}
	to := &unix.SockaddrInet4{Port: int(f.options.Server.Port()), Addr: f.options.Server.Addr().As4()}
	if err := errors.Join(unix.Connect(fd, to), unix.SetNonblock(fd, true), f.loop.Add(fd, p, poll.In)); err != nil {
		return nil, errors.Join(fmt.Errorf("connect publisher %d: %w", n, err), unix.Close(fd))
	}
	return p, nil
}

// send sends the publisher's next request, with its due time.
func (p *publisher) send(due time.Duration) {
	p.due = due
	p.answer = p.answer[:0]
	p.request, p.notifications = p.flood.options.Source(p.request[:0], p.number, due)
	p.unsent = p.request
	p.write()
}

// write sends the unsent bytes, and waits for the socket if it does not accept all.
func (p *publisher) write() {
	n, err := unix.Write(p.fd, p.unsent)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		p.flood.fail(fmt.Errorf("publisher %d: %w", p.number, err))
		return
	}
	waited := len(p.unsent) < len(p.request)
	p.unsent = p.unsent[max(n, 0):]
	switch waits := len(p.unsent) > 0; {
	case waits:
		err = p.flood.loop.Wait(p.fd, poll.In|poll.Out)
	case waited:
		err = p.flood.loop.Wait(p.fd, poll.In)
	default:
		err = nil
	}
	if err != nil {
		p.flood.fail(err)
	}
}

// Ready implements poll.Handler.
func (p *publisher) Ready() {
	if len(p.unsent) > 0 {
		p.write()
	}
	n, err := unix.Read(p.fd, p.flood.in)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil:
		p.flood.fail(fmt.Errorf("publisher %d: %w", p.number, err))
		return
	case n == 0:
		p.flood.fail(fmt.Errorf("publisher %d: the server closed the connection", p.number))
		return
	}
	p.answer = append(p.answer, p.flood.in[:n]...)
	switch err := check(p.answer, p.notifications); {
	case err == nil:
		p.flood.answered(p)
	case !errors.Is(err, errShort):
		p.flood.fail(fmt.Errorf("publisher %d: %w", p.number, err))
	}
}

// clock is a timer in the epoll set that makes requests due at a fixed rate.
type clock struct {
	flood *flood
	fd    int
}

func startClock(f *flood, perSecond float64) (*clock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create a timer: %w", err)
	}
	interval := unix.NsecToTimespec(int64(float64(time.Second) / perSecond))
	c := &clock{flood: f, fd: fd}
	err = unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: interval, Value: interval}, nil)
	if err := errors.Join(err, f.loop.Add(fd, c, poll.In)); err != nil {
		return nil, errors.Join(fmt.Errorf("start a timer: %w", err), unix.Close(fd))
	}
	return c, nil
}

// Ready implements poll.Handler.
func (c *clock) Ready() {
	var ticks [8]byte
	if n, err := unix.Read(c.fd, ticks[:]); err == nil && n == len(ticks) {
		c.flood.ticked(binary.NativeEndian.Uint64(ticks[:]))
	}
}
