package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bellhop/bellhop/internal/console"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/telemetry"
	"github.com/bellhop/bellhop/internal/webui"
)

// followAudits makes the feed of the console if that is enabled, and has the log pass its audit
// lines to it.
func (l *live) followAudits(o *Options) {
	if l.now.Load().Console == "off" {
		return
	}
	l.feed = console.NewFeed()
	if o.Log != nil {
		o.Log.PassAudits(l.feed.AddLine)
		return
	}
	o.Logger = telemetry.WithAudits(o.Logger, l.feed.AddLine)
}

// startConsole opens the feed of the console, if that is enabled, and takes samples until ctx ends. It
// precedes the handler of the console, which answers 503 while the feed is not open.
func (s *node) startConsole(ctx context.Context) {
	if s.live.feed != nil {
		s.live.feed.Open()
		sample := s.newSampler().sample
		s.running.Go(func() { s.live.feed.Run(ctx, sample) })
	}
}

// endConsole ends the streams of the console.
func (l *live) endConsole() {
	if l.feed != nil {
		l.feed.End()
	}
}

// consoleOptions returns the options of the operators' console.
func (s *node) consoleOptions(api *httpapi.API) httpapi.ConsoleOptions {
	build := telemetry.ReadBuild()
	return httpapi.ConsoleOptions{
		Access: s.cfg.Console,
		Page:   webui.Console(),
		API:    api,
		Feed:   s.live.feed,
		About: httpapi.ConsoleAbout{
			Node: s.nodeName(), Version: build.Version, Revision: build.Revision, Started: time.Now().UTC().Truncate(time.Second),
		},
	}
}

// consoleSample is what the console shows of one second.
type consoleSample struct {
	Time   int64  `json:"time"` // milliseconds since 1970
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // of a node that is not ready
	telemetry.Rates

	ConnectionsLimit int                `json:"connections_limit,omitempty"` // absent: none is known
	QueuedBytes      int64              `json:"queued_bytes"`
	QueuedBytesLimit int64              `json:"queued_bytes_limit,omitempty"`
	Sequence         uint64             `json:"sequence"`
	Store            consoleStore       `json:"store"`
	Disk             *consoleDisk       `json:"disk,omitempty"`
	Process          *telemetry.Process `json:"process"`
	Lag              *float64           `json:"lag_seconds,omitempty"` // only in a cluster, as are the nodes
	Nodes            []consoleNode      `json:"nodes,omitempty"`
}

type consoleStore struct {
	Notifications uint64 `json:"notification_bytes"`
	Removals      uint64 `json:"removal_bytes"`
	Other         uint64 `json:"other_bytes"`
	Limit         int64  `json:"limit_bytes,omitempty"`
	Disk          uint64 `json:"disk_bytes"`
}

type consoleDisk struct {
	Free    uint64 `json:"free_bytes"`
	Size    uint64 `json:"size_bytes"`
	Reserve int64  `json:"reserve_bytes"`
}

type consoleNode struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Ready    bool   `json:"ready"`
	Reason   string `json:"reason,omitempty"`
	Sequence uint64 `json:"sequence"`
	This     bool   `json:"this,omitempty"`

	// Values that are not known are nil.
	Lag         *float64 `json:"lag_seconds,omitempty"`
	Connections *int     `json:"connections,omitempty"`

	// CutOff is why this node does not reach the others, although it is connected to NATS and may be ready.
	CutOff string `json:"cut_off,omitempty"`

	// Silent is when this node last heard of a node of which it cannot know more, in milliseconds since 1970.
	Silent int64 `json:"silent_since,omitempty"`
	// Gone is the same for a node that is lost or has stopped.
	Gone int64 `json:"gone,omitempty"`
}

// sampler makes the samples of a node. It reads counters and levels, and asks no other node.
type sampler struct {
	node    *node
	rates   *telemetry.Sampler
	process telemetry.ProcessReader
	slow    slowLevels
	taken   int
}

// slowLevels are levels that are read only once in slowEvery samples.
type slowLevels struct {
	storeBytes uint64
	disk       *consoleDisk // nil: the disk could not be asked
}

const slowEvery = 5

func (s *node) newSampler() *sampler {
	now := time.Now()
	m := &sampler{node: s, rates: s.metrics.NewSampler(now)}
	m.process.Read(now)
	return m
}

// sample returns the sample of the last second as JSON.
func (m *sampler) sample() []byte {
	now, s := time.Now(), m.node
	usage, process := s.store.Usage(), m.process.Read(now)
	if m.taken%slowEvery == 0 {
		m.slow = s.readSlowLevels()
	}
	m.taken++
	live := s.live.now.Load()
	sample := consoleSample{
		Time:             now.UnixMilli(),
		Rates:            m.rates.Sample(now),
		ConnectionsLimit: s.maxConnectionsOf(live),
		QueuedBytes:      s.hub.Queued(),
		QueuedBytesLimit: s.queuedBytes(live),
		Sequence:         uint64(s.journal.Durable()),
		Store: consoleStore{
			Notifications: usage.Notifications, Removals: usage.Removals, Other: usage.Other, Limit: s.cfg.MaxBytes, Disk: m.slow.storeBytes,
		},
		Disk:    m.slow.disk,
		Process: &process,
	}
	err := s.ready()
	if sample.Ready = err == nil; err != nil {
		sample.Reason = detailOf(err)
	}
	if s.cluster != nil {
		sample.Lag, sample.Nodes = s.cluster.consoleNodes()
	}
	line, err := json.Marshal(sample)
	if err != nil {
		s.logger.Error("a sample for the console cannot be encoded", "error", err)
		return nil
	}
	return line
}

func (s *node) readSlowLevels() slowLevels {
	levels := slowLevels{storeBytes: s.store.Stats().DiskBytes}
	free, err := s.store.Free()
	size, err2 := s.store.DiskSize()
	if err == nil && err2 == nil {
		levels.disk = &consoleDisk{Free: free, Size: size, Reserve: s.cfg.MinFree}
	}
	return levels
}

// consoleNodes returns the lag of this node, nil if it is not known, and the nodes that it has heard of.
func (c *membership) consoleNodes() (lag *float64, nodes []consoleNode) {
	name := c.node.nodeName()
	for _, n := range c.peers.Nodes() {
		node := consoleNode{
			Name: n.Name, Version: n.Version, Ready: faultOf(&n) == "", Reason: n.Fault, Sequence: uint64(n.Sequence),
			This: n.Name == name, Lag: lagOf(&n), Connections: connectionsOf(&n),
		}
		switch {
		case n.Silent:
			node.Reason, node.Silent = "", n.Heard.UnixMilli()
		case !n.Lost.IsZero():
			node.Reason, node.Gone = "", n.Heard.UnixMilli()
		}
		if node.This {
			lag = node.Lag
			if err := c.peers.CutOff(); err != nil {
				node.CutOff = detailOf(err)
			}
		}
		nodes = append(nodes, node)
	}
	return lag, nodes
}
