//go:build linux

// Package server builds and starts the measured servers as separate processes, and reads
// their cost from /proc.
package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bellhop/bellhop/test/natsserver"
)

// Secret is the key that services are started with.
const Secret = "the secret of the load tool keeps no secret"

// Limits for the start and the stop of a server.
const (
	startTimeout = 2 * time.Minute // a node of a cluster is ready when it has caught up
	stopTimeout  = 30 * time.Second
)

// Build compiles a package of the module in the directory module into dir and
// returns the program.
func Build(ctx context.Context, dir, module, pkg string) (program string, err error) {
	program, err = filepath.Abs(filepath.Join(dir, filepath.Base(pkg)))
	if err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-C", module, "-o", program, pkg)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

// Server is a running server.
type Server struct {
	Address netip.AddrPort
	admin   netip.AddrPort // only of a service
	process *exec.Cmd
	log     *os.File
	ended   chan error
	starts  time.Duration
}

// StartFloor starts the floor. The caller must Stop it.
func StartFloor(ctx context.Context, program, dir string) (*Server, error) {
	address, _, err := free(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{Address: address, process: exec.Command(program, "-listen", address.String())}
	if err := s.start(ctx, dir); err != nil {
		return nil, err
	}
	return s, nil
}

// StartService starts `bellhop serve` with its defaults, but with all limits on and too
// high to be reached. It keeps its data and its log in dir. Settings are further environment
// variables. The caller must Stop it.
func StartService(ctx context.Context, program, dir string, settings ...string) (*Server, error) {
	address, admin, err := free(ctx)
	if err != nil {
		return nil, err
	}
	serve := exec.Command(program, "serve")
	others := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BELLHOP_") })
	serve.Env = append(others,
		"BELLHOP_LISTEN="+address.String(),
		"BELLHOP_ADMIN_LISTEN="+admin.String(),
		"BELLHOP_DATA_DIR="+filepath.Join(dir, "data"),
		"BELLHOP_JWT_SECRET="+Secret,
		"BELLHOP_PROFILES=on",
		"BELLHOP_LOG_LEVEL=warn",
		"BELLHOP_DRAIN_WINDOW=1",
		"BELLHOP_TRUSTED_PROXIES=none",
		"BELLHOP_HANDSHAKES_PER_ADDRESS=1000000",
		"BELLHOP_BROADCASTS_PER_SECOND=1000000",
		"BELLHOP_PUBLISHES_PER_SECOND=1000000",
		"BELLHOP_REQUESTS_PER_SECOND=1000000",
	)
	serve.Env = append(serve.Env, settings...) // the last value of a variable counts
	s := &Server{Address: address, admin: admin, process: serve}
	if err := s.start(ctx, dir); err != nil {
		return nil, err
	}
	return s, nil
}

// free returns two loopback addresses whose ports were free just now.
func free(ctx context.Context) (one, two netip.AddrPort, err error) {
	addresses, err := natsserver.FreeAddresses(ctx, 2)
	if err != nil {
		return one, two, err
	}
	return netip.MustParseAddrPort(addresses[0]), netip.MustParseAddrPort(addresses[1]), nil
}

// start starts the process and waits until it is ready. After an error the process has
// ended.
func (s *Server) start(ctx context.Context, dir string) (err error) {
	s.log, err = os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return fmt.Errorf("create the server's log: %w", err)
	}
	s.ended = make(chan error, 1)
	s.process.Stdout, s.process.Stderr = s.log, s.log
	s.process.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // only the tool receives an interrupt, and stops its servers
		Pdeathsig: syscall.SIGKILL, // servers must not outlive the tool
	}
	begin := time.Now()
	if err := s.process.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", s.process.Path, err), s.log.Close())
	}
	go func() { s.ended <- s.process.Wait() }()
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(err, s.Stop())
	}
	s.starts = time.Since(begin)
	return nil
}

// awaitReady requests /readyz until the server is ready.
func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := &http.Client{}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address.String()+"/readyz", nil)
		if err != nil {
			return err
		}
		request.Close = true
		answer, err := client.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("%s ended before it was ready: %w\n%s", s.process.Path, err, s.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", s.process.Path, ctx.Err(), s.lastLog())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// StartTime returns how long it took until the server was ready.
func (s *Server) StartTime() time.Duration { return s.starts }

// Stop sends SIGTERM, kills the server if it does not end in time, and waits for it.
func (s *Server) Stop() error {
	defer func() { _ = s.log.Close() }()          // only the server wrote to it
	_ = s.process.Process.Signal(syscall.SIGTERM) // fails if the server has ended already
	select {
	case <-s.ended: // any exit is fine: the floor is ended by the signal, the service exits with 0
		return nil
	case <-time.After(stopTimeout):
	}
	_ = s.process.Process.Kill()
	<-s.ended
	return fmt.Errorf("%s did not end within %v of SIGTERM\n%s", s.process.Path, stopTimeout, s.lastLog())
}

// Kill ends the server with SIGKILL and waits for it.
func (s *Server) Kill() error {
	defer func() { _ = s.log.Close() }() // only the server wrote to it
	if err := s.process.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", s.process.Path, err)
	}
	<-s.ended
	return nil
}

// lastLog returns the last part of the server's log.
func (s *Server) lastLog() string {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(len(text)-2_000, 0):]))
}
