package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/config"
)

// Settings of a cluster that cannot be as they are, each with the part of the report that says
// what is allowed.
func TestMistakesInSettingsOfACluster(t *testing.T) {
	const servers = "BELLHOP_NATS_URL=nats://nats-1:4222"
	for _, c := range []struct {
		environ []string
		setting string
		report  string
	}{
		{[]string{"BELLHOP_NATS_CREDENTIALS_FILE=a"}, "BELLHOP_NATS_CREDENTIALS_FILE", "requires BELLHOP_NATS_URL"},
		{[]string{"BELLHOP_NATS_CA_FILE=a"}, "BELLHOP_NATS_CA_FILE", "requires BELLHOP_NATS_URL"},
		{[]string{"BELLHOP_NATS_STREAM=A"}, "BELLHOP_NATS_STREAM", "requires BELLHOP_NATS_URL"},
		{[]string{"BELLHOP_NATS_MONITOR=http://a"}, "BELLHOP_NATS_MONITOR", "requires BELLHOP_NATS_URL"},
		{[]string{"BELLHOP_REPLICAS=5"}, "BELLHOP_REPLICAS", "requires BELLHOP_NATS_URL"},
		{[]string{"BELLHOP_UNSAFE_REPLICAS=true"}, "BELLHOP_UNSAFE_REPLICAS", "requires BELLHOP_NATS_URL"},
		{[]string{"BELLHOP_NATS_URL=nats-1:4222"}, "BELLHOP_NATS_URL", "nats://host:port or tls://host:port"},
		{[]string{"BELLHOP_NATS_URL=nats://nats-1:4222,http://nats-2"}, "BELLHOP_NATS_URL", "nats://host:port or tls://host:port"},
		{[]string{servers, "BELLHOP_NATS_MONITOR=nats://nats-1:8222"}, "BELLHOP_NATS_MONITOR", "http://host:port or https://host:port"},
		{[]string{servers, "BELLHOP_NATS_STREAM=A.B"}, "BELLHOP_NATS_STREAM", "1 to 100 characters, each of A-Z a-z 0-9 _ -"},
		{[]string{servers, "BELLHOP_NATS_STREAM=" + strings.Repeat("A", 101)}, "BELLHOP_NATS_STREAM", "1 to 100 characters"},
		{[]string{servers, "BELLHOP_REPLICAS=0"}, "BELLHOP_REPLICAS", ""},
		{[]string{servers, "BELLHOP_REPLICAS=1"}, "BELLHOP_REPLICAS", "only allowed with BELLHOP_UNSAFE_REPLICAS=true"},
		{[]string{servers, "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=false"}, "BELLHOP_REPLICAS", "only allowed with BELLHOP_UNSAFE_REPLICAS=true"},
		{[]string{servers, "BELLHOP_REPLICAS=2", "BELLHOP_UNSAFE_REPLICAS=true"}, "BELLHOP_REPLICAS", "2 is not 3 or 5"},
		{[]string{servers, "BELLHOP_REPLICAS=4"}, "BELLHOP_REPLICAS", "4 is not 3 or 5"},
		{[]string{servers, "BELLHOP_REPLICAS=7"}, "BELLHOP_REPLICAS", ""},
		{[]string{servers, "BELLHOP_UNSAFE_REPLICAS=yes"}, "BELLHOP_UNSAFE_REPLICAS", "is not one of true, false"},
		{[]string{servers, "BELLHOP_NODE=node 1"}, "BELLHOP_NODE", "1 to 64 characters"},
	} {
		names, text := mistakes(t, config.Sources{Environ: c.environ})
		if !slices.Equal(names, []string{c.setting}) || !strings.Contains(text, c.report) {
			t.Errorf("%v: reported\n%s\nwant one mistake, of %s, with %q", c.environ, text, c.setting, c.report)
		}
	}
}

// An address of NATS may have a password, which no report shows.
func TestMistakesInAnAddressHideItsPassword(t *testing.T) {
	for _, setting := range []string{"BELLHOP_NATS_URL=", "BELLHOP_NATS_MONITOR="} {
		_, text := mistakes(t, config.Sources{Environ: []string{setting + "ftp://user:hunter2@nats-1:1"}})
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s: the report has the password:\n%s", setting, text)
		}
	}
}

func TestSettingsOfACluster(t *testing.T) {
	c := load(t, config.Sources{Environ: []string{"BELLHOP_NATS_URL=nats://nats-1:4222,tls://nats-2:4222"}})
	if !slices.Equal(c.NATSURL, []string{"nats://nats-1:4222", "tls://nats-2:4222"}) || c.NATSStream != "BELLHOP" || c.Replicas != 3 {
		t.Errorf("loaded %+v", c)
	}
	c = load(t, config.Sources{Environ: []string{"BELLHOP_NATS_URL=nats://nats-1", "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true"}})
	if c.Replicas != 1 {
		t.Errorf("loaded %d replicas", c.Replicas)
	}
	c = load(t, config.Sources{Environ: []string{"BELLHOP_NODE=node-1"}}) // allowed without a cluster: connections are listed with it
	if c.Node != "node-1" || c.NATSURL != nil {
		t.Errorf("loaded %+v", c)
	}
}
