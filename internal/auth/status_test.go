package auth_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestReadyOnceEveryIssuerWasLoaded starts with two issuers out of reach.
func TestReadyOnceEveryIssuerWasLoaded(t *testing.T) {
	k := keys(t)
	good := set(t, jwk(t, k.ec256, "kid", "1"))
	one, two, three := newIssuer(t, good), newIssuer(t, good), newIssuer(t, good)
	for _, i := range []*issuer{one, two, three} {
		i.fail(http.StatusNotFound)
	}
	var log bytes.Buffer
	c := newClock()
	path := write(t, "issuers.yaml", []byte(entryOf("https://one.example/?apikey=hunter2", one.URL, "")+entryOf("two", two.URL, "")))
	v := start(t, auth.Options{IssuersFile: path, Now: c.now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	err := v.Ready()
	require.ErrorIs(t, err, notify.ErrUnavailable)
	require.ErrorContains(t, err, "https://one.example/?apikey=(hidden), two")
	require.Contains(t, log.String(), "status 404")
	require.Contains(t, log.String(), "check that the URL of the key set is right")
	require.NotContains(t, log.String(), "hunter")
	for _, i := range v.Issuers() {
		require.Zero(t, i.Keys)
		require.Zero(t, i.Loaded)
		require.EqualValues(t, 1, i.Failures)
		require.Equal(t, c.now(), i.Attempted)
	}

	one.serve(good)
	require.Error(t, v.Reload(t.Context()))
	require.EqualError(t, v.Ready(), strings.Replace(err.Error(), "https://one.example/?apikey=(hidden), two", "two", 1))
	two.serve(good)
	require.NoError(t, v.Reload(t.Context()))
	require.NoError(t, v.Ready())

	// A ready service stays ready when a load fails and when an issuer is added.
	two.fail(http.StatusBadGateway)
	require.NoError(t, os.WriteFile(path, []byte(entryOf("one", one.URL, "")+entryOf("two", two.URL, "")+entryOf("three", three.URL, "")), 0o600))
	require.Error(t, v.Reload(t.Context()))
	require.NoError(t, v.Ready())
	all := v.Issuers()
	require.Len(t, all, 3)
	require.Equal(t, []string{"one", "three", "two"}, []string{all[0].Issuer, all[1].Issuer, all[2].Issuer})
	require.Equal(t, []int{1, 0, 1}, []int{all[0].Keys, all[1].Keys, all[2].Keys})
	require.Equal(t, c.now(), all[0].Loaded)
	require.Zero(t, all[1].Loaded)
}

// TestReadinessIsRecordedWithoutACallOfReady adds an unreachable issuer to a service before the
// first call of Ready.
func TestReadinessIsRecordedWithoutACallOfReady(t *testing.T) {
	k := keys(t)
	good, bad, late := newIssuer(t, set(t, jwk(t, k.ec256))), newIssuer(t, nil), newIssuer(t, nil)
	bad.fail(http.StatusNotFound)
	late.fail(http.StatusNotFound)
	for name, first := range map[string]*issuer{"loaded at the start": good, "loaded later": late} {
		path := write(t, "issuers.yaml", []byte(entryOf("one", first.URL, "")))
		v := start(t, auth.Options{IssuersFile: path})
		first.serve(set(t, jwk(t, k.ec256)))
		require.NoError(t, v.Reload(t.Context()), name)
		require.NoError(t, os.WriteFile(path, []byte(entryOf("one", first.URL, "")+entryOf("two", bad.URL, "")), 0o600))
		require.Error(t, v.Reload(t.Context()), name)
		require.Len(t, v.Issuers(), 2, name)
		require.NoError(t, v.Ready(), name)
	}
}

// TestAWrongIssuerCanBeReplaced corrects a URL in the issuers file of a service
// that is not ready yet.
func TestAWrongIssuerCanBeReplaced(t *testing.T) {
	k := keys(t)
	good := newIssuer(t, set(t, jwk(t, k.ec256)))
	wrong := newIssuer(t, nil)
	wrong.fail(http.StatusNotFound)
	path := write(t, "issuers.yaml", []byte(entryOf("one", wrong.URL, "")))
	v := start(t, auth.Options{IssuersFile: path})
	require.Error(t, v.Ready())
	require.NoError(t, os.WriteFile(path, []byte(entryOf("one", good.URL, "")), 0o600))
	require.NoError(t, v.Reload(t.Context()))
	require.NoError(t, v.Ready())
}

// TestTheIssuerOfTheSettingsHasAStatus configures only secrets, which need not be fetched.
func TestTheIssuerOfTheSettingsHasAStatus(t *testing.T) {
	begun := time.Unix(1_700_000_000, 0)
	now := begun
	both := auth.Options{Secrets: [][]byte{secret(), []byte(strings.Repeat("x", 32))}, Now: func() time.Time { return now }}
	v := start(t, both)
	require.NoError(t, v.Ready())
	require.Equal(t, []auth.IssuerStatus{{Issuer: "*", Keys: 2, Changed: begun}}, v.Issuers())
	now = begun.Add(time.Hour)
	require.NoError(t, v.SetSecrets(auth.Options{Secrets: both.Secrets}))
	require.Equal(t, begun, v.Issuers()[0].Changed, "a reload with the same secrets")
	require.NoError(t, v.SetSecrets(auth.Options{Secrets: both.Secrets[:1]}))
	require.Equal(t, []auth.IssuerStatus{{Issuer: "*", Keys: 1, Changed: now}}, v.Issuers())
}

// TestAnUnreachableIssuerIsRetried becomes ready although no token needs the issuer's keys.
func TestAnUnreachableIssuerIsRetried(t *testing.T) {
	k := keys(t)
	good := set(t, jwk(t, k.ec256))
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		o := anyone()
		o.Issuer, o.JWKS = "https://issuer.example", "https://issuer.example/jwks"
		o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			if tries++; tries < 4 {
				return nil, http.ErrServerClosed
			}
			return answer(good)
		})
		v := start(t, o)
		require.ErrorContains(t, v.Ready(), "https://issuer.example")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.NoError(t, v.Ready())
		require.EqualValues(t, 3, v.Issuers()[0].Failures)
	})
}

// TestLabelsOfIssuersDiffer has issuers that differ only in the hidden parts of their names. Two
// metrics with equal labels would make the whole page of metrics invalid.
func TestLabelsOfIssuersDiffer(t *testing.T) {
	k := keys(t)
	path := write(t, "jwks.json", set(t, jwk(t, k.ec256)))
	file := ""
	for _, n := range []string{"1", "2", "3"} {
		file += entryOf("https://a.example/?tenant="+n, path, "")
	}
	v := start(t, auth.Options{IssuersFile: write(t, "issuers.yaml", []byte(file+entryOf("https://b.example/", path, "")))})
	var labels []string
	for _, i := range v.Issuers() {
		labels = append(labels, i.Issuer)
	}
	const a = "https://a.example/?tenant=(hidden)"
	require.Equal(t, []string{a, a + " (2)", a + " (3)", "https://b.example/"}, labels)
}

// TestFilesOfKeysHaveOneStatus takes away one of two files of keys, and then the other.
func TestFilesOfKeysHaveOneStatus(t *testing.T) {
	k := keys(t)
	public := set(t, jwk(t, k.ec256, "kid", "1"))
	files := map[string][]byte{
		write(t, "secret", []byte(strings.Repeat("s", 32))): []byte(strings.Repeat("s", 32)),
		write(t, "jwks.json", public):                       public,
	}
	o := auth.Options{Issuer: auth.Any, Audience: auth.Any}
	for path := range files {
		if strings.HasSuffix(path, ".json") {
			o.JWKS = path
		} else {
			o.SecretsFile = path
		}
	}
	v := start(t, o)
	require.NoError(t, v.Files()["token_keys"].Err)
	for path, content := range files {
		require.NoError(t, os.Remove(path))
		require.Error(t, v.Reload(t.Context()))
		require.ErrorIs(t, v.Files()["token_keys"].Err, os.ErrNotExist)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		require.NoError(t, v.Reload(t.Context()))
		require.NoError(t, v.Files()["token_keys"].Err)
	}
	remote := start(t, auth.Options{JWKS: newIssuer(t, public).URL, Issuer: auth.Any, Audience: auth.Any})
	require.NotContains(t, remote.Files(), "token_keys", "a URL is no file")
}
