package wire

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func spelled(s string) string {
	n := readNumber([]byte(s))
	return string(n.append(nil))
}

func TestNumbersHaveOneSpelling(t *testing.T) {
	nines := strings.Repeat("9", 30)
	for canonical, spellings := range map[string][]string{
		"0":                                    {"-0", "0.0", "0e5", "-0.00e-99999999999999999999", "0e99999999999999999999"},
		"1":                                    {"1.0", "1e0", "1E+0", "10e-1", "0.1e1", "0.001e00003"},
		"-60":                                  {"-60.0", "-6e1", "-0.6E+2"},
		"100000000000000000000":                {"1e20", "100e18"},
		"1e+21":                                {"1000000000000000000000", "0.1e22"},
		"0.000001":                             {"1e-6", "10E-7"},
		"1e-7":                                 {"0.0000001", "0.1e-6"},
		"123.456":                              {"123456e-3", "0.123456e3", "123.4560"},
		"1e+400":                               {"10e399", "0.001e403"},
		"1e+401":                               {"1e401"},
		"1.5e+1000000000":                      {"15e999999999", "0.15e1000000001"},
		"1e+1" + strings.Repeat("0", 30):       {"10e" + nines, "100e" + nines[:29] + "8"},
		"1e-1" + strings.Repeat("0", 30):       {"0.1e-" + nines, "0.001e-" + nines[:29] + "7"},
		"1e+" + nines:                          {"0.1e1" + strings.Repeat("0", 30)},
		"9007199254740993":                     {"9007199254740993.0"},
		"0.1":                                  {"0.10"},
		"0.1000000000000000055511151231257827": {"1000000000000000055511151231257827e-34"},
	} {
		assert.Equal(t, canonical, spelled(canonical))
		for _, s := range spellings {
			assert.Equal(t, canonical, spelled(s), s)
		}
	}
}

// Exponents of any length are read in no more time than their digits take.
func TestLongNumbersKeepAllDigits(t *testing.T) {
	const length = 100_000
	for _, s := range []string{
		"1" + strings.Repeat("0", length),
		"0." + strings.Repeat("0", length) + "1",
		"1e" + strings.Repeat("9", length),
		"1e-" + strings.Repeat("0", length) + "7",
	} {
		assert.LessOrEqual(t, len(spelled(s)), len(s)+2)
	}
}

func TestWholeNumbersBecomeTheNearestInt64(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0.0": 0, "60.0": 60, "-6e1": -60,
		"123456789012345678":           123456789012345678,
		"12345678901234567e2":          1234567890123456700,
		"9223372036854775807":          math.MaxInt64,
		"9223372036854775808":          math.MaxInt64,
		"-9223372036854775808":         math.MinInt64,
		"-9223372036854775809":         math.MinInt64,
		"1e19":                         math.MaxInt64,
		"-1e400":                       math.MinInt64,
		"1e99999999999999999999":       math.MaxInt64,
		"1" + strings.Repeat("23", 50): math.MaxInt64,
	} {
		n := readNumber([]byte(text))
		assert.True(t, n.isWhole(), text)
		assert.Equal(t, want, n.int64(), text)
	}
}

// FuzzNumber holds the spelling against exact rational arithmetic.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "12e3", "1e-5", "0.00001", "999999999999999999999999", "-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) || !strings.ContainsAny(s, "0123456789") || strings.ContainsAny(s, "\"[{ \t\r\n") {
			return
		}
		got := spelled(s)
		require.True(t, json.Valid([]byte(got)))
		require.Equal(t, got, spelled(got), "its own spelling is the same")
		if _, exponent, ok := strings.Cut(strings.ToLower(s), "e"); ok && len(strings.TrimLeft(exponent, "+-0")) > 3 {
			return // too much for the arithmetic that it is held against
		}
		want, ok := new(big.Rat).SetString(s)
		require.True(t, ok)
		is, ok := new(big.Rat).SetString(got)
		require.True(t, ok)
		require.Zero(t, want.Cmp(is), "%s became %s", s, got)
		n := readNumber([]byte(s))
		require.Equal(t, want.IsInt(), n.isWhole())
	})
}
