package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	traced = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent = "-00f067aa0ba902b7-01"
)

func TestTraceIDOfAValidTraceparent(t *testing.T) {
	for sent, want := range map[string]string{
		"00-" + traced + parent:                               traced,
		"00-" + traced + "-00f067aa0ba902b7-00":               traced,
		"cc-" + traced + parent + "-more":                     traced,
		"":                                                    "",
		"00-" + traced:                                        "",
		"00-" + traced + parent + "-":                         "",
		"cc-" + traced + parent + "1":                         "",
		"ff-" + traced + parent:                               "",
		"00-" + strings.ToUpper(traced) + parent:              "",
		"00-" + strings.Repeat("0", 32) + parent:              "",
		"00-" + traced + "-0000000000000000-01":               "",
		"00-" + traced[:31] + "\n" + parent:                   "",
		"00_" + traced + parent:                               "",
		" 00-" + traced + parent:                              "",
		"00-" + traced + strings.Replace(parent, "7", "g", 1): "",
	} {
		require.Equal(t, want, traceID(http.Header{"Traceparent": {sent}}), "%q", sent)
	}
	require.Empty(t, traceID(http.Header{"Traceparent": {"00-" + traced + parent, "00-" + traced + parent}}))
	require.Empty(t, traceID(http.Header{}))
}

// An adopted ID can be repeated in a header and a log line, for any headers of the caller.
func FuzzRequestIDsAndTraceIDs(f *testing.F) {
	f.Add("a.b-c_D9", "00-"+traced+parent)
	f.Add("a\nlevel=ERROR", "00-"+traced[:31]+"\""+parent)
	f.Fuzz(func(t *testing.T, id, traceparent string) {
		if isRequestID(id) {
			require.Regexp(t, `^[A-Za-z0-9_.-]{1,64}$`, id)
		}
		require.Regexp(t, `^([0-9a-f]{32})?$`, traceID(http.Header{"Traceparent": {traceparent}}))
	})
}
