package telemetry_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
)

func TestRatesAreOfTheTimeSinceTheSampleBefore(t *testing.T) {
	m := telemetry.New(telemetry.Build{})
	use(m)
	at := time.Unix(1_700_000_000, 0)
	s := m.NewSampler(at)
	require.JSONEq(t, `{"connections":{"websocket":1,"events":0},"opened":0,"closes":{},"publishes":{},"refusals":{},
		"deliveries":0,"commit":{"groups":0,"entries":0}}`, asJSON(t, s.Sample(at.Add(time.Second))))
	use(m)
	m.Refused("malformed", "", "")
	m.Published(notify.AudienceAll, "stored")
	m.Published(notify.AudienceUser, "refused")
	r := s.Sample(at.Add(2010 * time.Millisecond))
	require.Equal(t, map[string]float64{"websocket": 2, "events": 0}, r.Connections)
	require.EqualValues(t, 3, r.Opened)
	require.Equal(t, map[string]float64{"4401 token-expired": 1, "1012 restart": 1}, r.Closes)
	require.Equal(t, map[string]float64{"stored": 2, "refused": 1}, r.Publishes)
	require.Equal(t, map[string]float64{"limit requests": 1, "unavailable disk-full": 1, "malformed": 1}, r.Refusals)
	require.EqualValues(t, 3, r.Deliveries)
	require.EqualValues(t, 1, r.Commit.Groups)
	require.EqualValues(t, 5, r.Commit.Entries)
	require.InEpsilon(t, 2, r.Commit.P99, 0.1)
	require.InEpsilon(t, 2, r.Publish.P50, 0.1)
	require.InEpsilon(t, 1, r.Sync.P99, 0.1)
	require.Zero(t, r.Delivery.P50, "one of the two was not later than its entry")
	require.InEpsilon(t, 3, r.Delivery.P95, 0.1)

	use(m)
	use(m)
	r = s.Sample(at.Add(4 * time.Second))
	require.EqualValues(t, 3, r.Opened, "the sample is late: it is of two seconds")
	require.Nil(t, s.Sample(at.Add(5*time.Second)).Publish, "there was none")
}

func TestPercentilesAreThoseOfTheObservations(t *testing.T) {
	m := telemetry.New(telemetry.Build{})
	for range 5_000 { // from before the sample: they do not count
		m.Stored(time.Second)
	}
	s := m.NewSampler(time.Now())
	for i := range 1_000 {
		m.Stored(time.Duration(i+1) * 10 * time.Microsecond) // to 10 ms
	}
	p := s.Sample(time.Now().Add(time.Second)).Publish
	require.InEpsilon(t, 5, p.P50, 0.05)
	require.InEpsilon(t, 9.5, p.P95, 0.05)
	require.InEpsilon(t, 9.9, p.P99, 0.05)
}

// A histogram with too many buckets merges them. The sample in which that happens has no percentiles,
// and none is wrong.
func TestPercentilesSurviveAChangeOfTheBuckets(t *testing.T) {
	m := telemetry.New(telemetry.Build{})
	s := m.NewSampler(time.Now())
	for d := time.Nanosecond; d < 20*time.Minute; d = d*11/10 + 1 {
		m.Stored(d)
		if p := s.Sample(time.Now()).Publish; p != nil && p.P50 > 0.01 {
			require.InEpsilon(t, d.Seconds()*1_000, p.P50, 0.2)
		}
	}
	m.Stored(time.Millisecond)
	require.InEpsilon(t, 1, s.Sample(time.Now()).Publish.P99, 0.2)
}

func TestTheProcessIsRead(t *testing.T) {
	var r telemetry.ProcessReader
	at := time.Unix(1_700_000_000, 0)
	p := r.Read(at)
	require.Positive(t, p.Heap)
	require.Positive(t, p.Goroutines)
	require.Zero(t, p.CPU)
	require.GreaterOrEqual(t, r.Read(at.Add(time.Second)).CPU, 0.0)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// The console takes a sample every second.
func BenchmarkSample(b *testing.B) {
	m := telemetry.New(telemetry.Build{})
	use(m)
	for i := range 5_000 {
		m.Stored(time.Duration(i) * 10 * time.Microsecond)
		m.Delayed(time.Duration(i) * 10 * time.Microsecond)
		m.Synced(time.Duration(i) * 10 * time.Microsecond)
		m.Committed(i%100, float64(i)/100_000)
	}
	s := m.NewSampler(time.Now())
	var r telemetry.ProcessReader
	for b.Loop() {
		s.Sample(time.Now())
		r.Read(time.Now())
	}
}

// For comparison: a scrape by Prometheus.
func BenchmarkGather(b *testing.B) {
	m := telemetry.New(telemetry.Build{})
	use(m)
	for b.Loop() {
		if _, err := m.Registry().Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
