package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// Every source accepts a duration with units beside a number of seconds.
func TestDurationsHaveUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": time.Second, "90": 90 * time.Second, "90s": 90 * time.Second, "5m": 5 * time.Minute, "12h": 12 * time.Hour,
		"30d": 720 * time.Hour, "1h30m": 90 * time.Minute, "1d2h3m4s": 26*time.Hour + 184*time.Second, "36500d": 876_000 * time.Hour,
	} {
		for name, from := range map[string]config.Sources{
			"file":        {Flags: map[string]string{"config": write(t, "retention: "+text+"\n")}},
			"environment": {Environ: []string{"BELLHOP_RETENTION=" + text}},
			"flag":        {Flags: map[string]string{"retention": text}},
		} {
			assert.Equal(t, want, load(t, from).Retention, "%s in the %s", text, name)
		}
	}
}

func TestSizesHaveUnits(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "65536": 65_536, "7B": 7, "1kB": 1_000, "64KiB": 64 << 10, "1MB": 1e6, "256MiB": 256 << 20, "256 mib": 256 << 20,
		"1GB": 1e9, "2GiB": 2 << 30, "1TB": 1e12, "1TiB": 1 << 40, "1024TiB": 1 << 50,
	} {
		for name, from := range map[string]config.Sources{
			"file":        {Flags: map[string]string{"config": write(t, "min_free_bytes: "+text+"\n")}},
			"environment": {Environ: []string{"BELLHOP_MIN_FREE_BYTES=" + text}},
			"flag":        {Flags: map[string]string{"min-free-bytes": text}},
		} {
			assert.Equal(t, want, load(t, from).MinFree, "%s in the %s", text, name)
		}
	}
	assert.Equal(t, 4<<10, load(t, config.Sources{Environ: []string{"BELLHOP_TOKEN_BYTES=4KiB"}}).TokenBytes)
}

// Each mistake says what is allowed. A number that does not fit into 64 bits is too large, and
// never a small one.
func TestMistakesInUnitsSayWhatIsAllowed(t *testing.T) {
	for setting, report := range map[string]string{
		"RETENTION=soon":                        "30d, 12h, 5m, 90s or 1h30m",
		"RETENTION=1.5h":                        "whole numbers of d, h, m and s",
		"RETENTION=5m1h":                        `"5m1h" is neither a duration`,
		"RETENTION=1w":                          "d, h, m and s",
		"RETENTION=500ms":                       "d, h, m and s",
		"RETENTION=-1h":                         "is neither a duration",
		"RETENTION=0s":                          "0s is less than the minimum of 1s",
		"RETENTION=0":                           "0 is less than the minimum of 1s",
		"RETENTION=36501d":                      "36501d is more than the maximum of 36500d",
		"RETENTION=9223372036854775807d":        "is more than the maximum of 36500d",
		"RETENTION=99999999999999999999999h":    "is more than the maximum of 36500d",
		"RETENTION=9223372036854775807s":        "is more than the maximum of 36500d",
		"RETENTION=106751991167300d15h30m8s":    "is more than the maximum of 36500d",
		"DRAIN_WINDOW=25h":                      "25h is more than the maximum of 1d",
		"MIN_FREE_BYTES=-1":                     "-1 is less than the minimum of 0",
		"MIN_FREE_BYTES=1.5GiB":                 "a whole number of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB",
		"MIN_FREE_BYTES=256M":                   `"256M" is neither a size such as 256MiB or 1GB`,
		"MIN_FREE_BYTES=256Mi":                  "a size such as 256MiB",
		"MIN_FREE_BYTES=MiB":                    "a size such as 256MiB",
		"MIN_FREE_BYTES=1025TiB":                "1025TiB is more than the maximum of 1024TiB",
		"MIN_FREE_BYTES=16777216TiB":            "is more than the maximum of 1024TiB", // 2^64
		"MIN_FREE_BYTES=99999999999999999999":   "a size such as",
		"MIN_FREE_BYTES=99999999999999999999kB": "is more than the maximum of 1024TiB",
		"QUEUE_BYTES=1KiB":                      "1KiB is less than the minimum of 64KiB",
		"CONNECTIONS=1kB":                       `"1kB" is not a whole number`,
	} {
		name, _, _ := strings.Cut(setting, "=")
		names, text := mistakes(t, config.Sources{Environ: []string{"BELLHOP_" + setting}})
		require.Equal(t, []string{"BELLHOP_" + name}, names, setting)
		require.Contains(t, text, report, setting)
	}
}

// The values that are shown have units, and mean the same when they are read again.
func TestShownValuesCanBeReadAgain(t *testing.T) {
	values := func(c *config.Config) map[string]string {
		all := map[string]string{}
		for _, s := range c.Settings() {
			all[s.Name] = s.Value
		}
		return all
	}
	before := values(load(t, config.Sources{Environ: []string{
		"BELLHOP_RETENTION=5400", "BELLHOP_DRAIN_DELAY=3601", "BELLHOP_MIN_FREE_BYTES=1000000", "BELLHOP_STORE_MAX_BYTES=1048577",
	}}))
	assert.Equal(t, "90m", before["BELLHOP_RETENTION"])
	assert.Equal(t, "3601s", before["BELLHOP_DRAIN_DELAY"])
	assert.Equal(t, "20s", before["BELLHOP_DRAIN_WINDOW"])
	assert.Equal(t, "1MB", before["BELLHOP_MIN_FREE_BYTES"])
	assert.Equal(t, "1048577", before["BELLHOP_STORE_MAX_BYTES"])
	assert.Equal(t, "8KiB", before["BELLHOP_TOKEN_BYTES"])
	var environ []string
	for name, value := range before {
		if name != "BELLHOP_NATS_STREAM" && name != "BELLHOP_REPLICAS" && name != "BELLHOP_UNSAFE_REPLICAS" {
			environ = append(environ, name+"="+value)
		}
	}
	assert.Equal(t, before, values(load(t, config.Sources{Environ: environ})))
}
