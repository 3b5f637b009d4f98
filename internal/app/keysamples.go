package app

import (
	"time"

	"github.com/bellhop/bellhop/internal/telemetry"
)

// issuerSamples are the metrics of issuers' keys. There are as many as issuers
// are configured.
func (s *node) issuerSamples() []telemetry.Sample {
	var all []telemetry.Sample
	for _, i := range s.verifier.Issuers() {
		add := func(name, help string, value float64, isCounter bool) {
			all = append(all, telemetry.Sample{
				Name: name, Help: help, Value: value, Counter: isCounter, Label: "issuer", LabelValue: i.Issuer,
			})
		}
		add("bellhop_issuer_keys", "Keys of an issuer that are in force.", float64(i.Keys), false)
		if i.Attempted.IsZero() {
			continue // its keys are in the settings
		}
		add("bellhop_issuer_key_load_failures_total", "Attempts to load an issuer's keys that failed.", float64(i.Failures), true)
		add("bellhop_issuer_key_load_last_attempt_timestamp_seconds", "When an issuer's keys were last asked for.", seconds(i.Attempted), false)
		add("bellhop_issuer_key_load_last_success_timestamp_seconds", "When an issuer's keys were last loaded; 0: never.", seconds(i.Loaded), false)
	}
	return all
}

// fileSamples are the metrics of the files that are followed.
func (s *node) fileSamples() []telemetry.Sample {
	files := s.verifier.Files()
	if s.certificate != nil {
		files["tls_certificate"] = s.certificate.pair.Status()
	}
	var all []telemetry.Sample
	for name, status := range files {
		failing := 0.0
		if status.Err != nil {
			failing = 1
		}
		all = append(all,
			telemetry.Sample{
				Name: "bellhop_file_load_failing", Help: "1 if the present content of a file cannot be used, so that an older one is in force.",
				Value: failing, Label: "file", LabelValue: name,
			},
			telemetry.Sample{
				Name: "bellhop_file_load_last_success_timestamp_seconds", Help: "When a file was last read and found good.",
				Value: seconds(status.Loaded), Label: "file", LabelValue: name,
			})
	}
	return all
}

// seconds returns t as Prometheus has times; 0 if t is none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1_000
}
