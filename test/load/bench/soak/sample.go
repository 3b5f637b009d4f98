//go:build linux

package soak

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/server"
	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// Sample is what the process uses at one time, and the latencies since the sample before.
type Sample struct {
	At         time.Duration // since the begin of the run
	RSS        float64       // bytes
	Heap       float64       // bytes, right after a garbage collection
	Goroutines float64
	Files      float64       // open ones
	Disk       float64       // bytes of the store's files
	Kept       float64       // bytes of what the store keeps, before compression
	P50, P99   time.Duration // from the first attempt to publish to a connection that has caught up
	Received   uint64
}

// latencies are those since they were last taken.
type latencies struct {
	mu sync.Mutex
	h  *stats.Histogram
}

func (l *latencies) record(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h == nil {
		l.h = &stats.Histogram{}
	}
	l.h.Record(d)
}

func (l *latencies) take() *stats.Histogram {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.h
	l.h = nil
	if h == nil {
		return &stats.Histogram{}
	}
	return h
}

// sample takes a sample.
func (r *run) sample(ctx context.Context) (s Sample, err error) {
	service := r.serving.Load()
	if s.Heap, err = service.Heap(ctx); err != nil {
		return s, err
	}
	for name, to := range map[string]*float64{
		server.Goroutines: &s.Goroutines, server.OpenFiles: &s.Files, server.KeptBytes: &s.Kept,
	} {
		if *to, err = service.Metric(ctx, name); err != nil {
			return s, err
		}
	}
	rss, err := service.RSS()
	if err != nil {
		return s, err
	}
	s.RSS = float64(rss)
	if s.Disk, err = size(filepath.Join(r.Dir, "data", "store")); err != nil {
		return s, err
	}
	h := r.latencies.take()
	s.At, s.P50, s.P99, s.Received = time.Since(r.begin), h.Quantile(0.5), h.Quantile(0.99), h.Count()
	r.Say("%8v  RSS %5.1f MiB, heap %5.1f MiB, %3.0f goroutines, %3.0f files, disk %6.1f MiB, p50 %6.2f ms, p99 %7.2f ms",
		s.At.Round(time.Second), s.RSS/mebibyte, s.Heap/mebibyte, s.Goroutines, s.Files, s.Disk/mebibyte, milliseconds(s.P50), milliseconds(s.P99))
	return s, nil
}

const mebibyte = 1 << 20

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// size returns the size of the files in a directory. The service may remove some meanwhile.
func size(dir string) (bytes float64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreMissing(err)
		}
		info, err := d.Info()
		if err == nil {
			bytes += float64(info.Size())
		}
		return ignoreMissing(err)
	})
	if err != nil {
		return 0, fmt.Errorf("read the size of the store: %w", err)
	}
	return bytes, nil
}

// levels returns the medians of two parts of the run, between which nothing may grow: the third and
// the last quarter. The same process runs in both, so that what it leaks shows. It has run for a
// quarter of the time before, in which its caches fill and notifications begin to expire.
func (r *Result) levels() (early, late Sample) {
	n := len(r.Samples)
	return middle(r.Samples[n/2 : n-n/4]), middle(r.Samples[n-n/4:])
}

// middle returns the median of each figure.
func middle(all []Sample) Sample {
	of := func(get func(*Sample) float64) float64 {
		values := make([]float64, len(all))
		for i := range all {
			values[i] = get(&all[i])
		}
		slices.Sort(values)
		if len(values) == 0 {
			return 0
		}
		return values[len(values)/2]
	}
	return Sample{
		RSS: of(func(s *Sample) float64 { return s.RSS }), Heap: of(func(s *Sample) float64 { return s.Heap }),
		Goroutines: of(func(s *Sample) float64 { return s.Goroutines }), Files: of(func(s *Sample) float64 { return s.Files }),
		Disk: of(func(s *Sample) float64 { return s.Disk }), Kept: of(func(s *Sample) float64 { return s.Kept }),
		P50: time.Duration(of(func(s *Sample) float64 { return float64(s.P50) })),
		P99: time.Duration(of(func(s *Sample) float64 { return float64(s.P99) })),
	}
}
