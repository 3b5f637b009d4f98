package auth_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// The vector of the reference library's TestWebhookSign.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	otherSignature  = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=" // of its TestWebhook
)

func hookEntry(name string, secrets ...string) string {
	return fmt.Sprintf("- name: %s\n  secrets: [%s]\n  scopes: [notify:publish]\n", name, strings.Join(secrets, ", "))
}

func hookSecret(fill byte, bytes int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), bytes)))
}

// atVector returns options with these hooks, at the time of the vector.
func atVector(t testing.TB, entries ...string) auth.Options {
	t.Helper()
	return auth.Options{
		Secrets:      [][]byte{secret()},
		WebhooksFile: write(t, "webhooks.yaml", []byte(strings.Join(entries, ""))),
		Now:          func() time.Time { return time.Unix(vectorTime, 0) },
	}
}

func signedHeader(id, timestamp, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", signature)
	return h
}

func vector() http.Header { return signedHeader(vectorID, strconv.Itoa(vectorTime), vectorSignature) }

// rename gives headers of the standard the names that Svix has for them.
func rename(h http.Header, names ...string) {
	for _, name := range names {
		h.Set("svix-"+name, h.Get("webhook-"+name))
		h.Del("webhook-" + name)
	}
}

// signHook signs as the reference library does.
func signHook(t testing.TB, secret, id string, at int64, body string) string {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	signature, err := w.Sign(id, time.Unix(at, 0), []byte(body))
	require.NoError(t, err)
	return signature
}

func TestWebhookVectors(t *testing.T) {
	v := start(t, atVector(t, hookEntry("other", hookSecret('o', 24)), hookEntry("shop", hookSecret('n', 64), vectorSecret)))
	at := func(d time.Duration) int64 { return vectorTime + int64(d.Seconds()) }
	tests := map[string]struct {
		change func(h http.Header)
		body   string
		err    error
	}{
		"valid signature":    {nil, "", nil},
		"missing id":         {func(h http.Header) { h.Del("webhook-id") }, "", notify.ErrUnauthenticated},
		"missing timestamp":  {func(h http.Header) { h.Del("webhook-timestamp") }, "", notify.ErrUnauthenticated},
		"missing signature":  {func(h http.Header) { h.Del("webhook-signature") }, "", notify.ErrUnauthenticated},
		"invalid signature":  {func(h http.Header) { h.Set("webhook-signature", otherSignature) }, "", notify.ErrTokenInvalid},
		"partial signature":  {func(h http.Header) { h.Set("webhook-signature", "v1,") }, "", notify.ErrTokenInvalid},
		"empty signature":    {func(h http.Header) { h.Set("webhook-signature", "") }, "", notify.ErrTokenInvalid},
		"cut signature":      {func(h http.Header) { h.Set("webhook-signature", vectorSignature[:20]) }, "", notify.ErrTokenInvalid},
		"signature and more": {func(h http.Header) { h.Set("webhook-signature", vectorSignature+",x") }, "", notify.ErrTokenInvalid},
		"no version":         {func(h http.Header) { h.Set("webhook-signature", vectorSignature[3:]) }, "", notify.ErrTokenInvalid},
		"another version":    {func(h http.Header) { h.Set("webhook-signature", "v2"+vectorSignature[2:]) }, "", notify.ErrTokenInvalid},
		"a version like it":  {func(h http.Header) { h.Set("webhook-signature", "v1a"+vectorSignature[2:]) }, "", notify.ErrTokenInvalid},
		"valid multi signature": {func(h http.Header) {
			h.Set("webhook-signature", otherSignature+" v2"+otherSignature[2:]+" "+vectorSignature+" "+otherSignature)
		}, "", nil},
		"16 signatures": {func(h http.Header) {
			h.Set("webhook-signature", strings.Repeat(otherSignature+" ", 15)+vectorSignature)
		}, "", nil},
		"17 signatures": {func(h http.Header) {
			h.Set("webhook-signature", strings.Repeat(otherSignature+" ", 16)+vectorSignature)
		}, "", notify.ErrMalformed},
		"names of Svix":            {func(h http.Header) { rename(h, "id", "timestamp", "signature") }, "", nil},
		"one name of Svix":         {func(h http.Header) { rename(h, "timestamp") }, "", nil},
		"both names, equal":        {func(h http.Header) { h.Set("svix-id", vectorID) }, "", nil},
		"both names, ids differ":   {func(h http.Header) { h.Set("svix-id", "msg_1") }, "", notify.ErrMalformed},
		"both names, other secret": {func(h http.Header) { h.Set("svix-signature", otherSignature) }, "", notify.ErrMalformed},
		"both names, no value":     {func(h http.Header) { h.Set("svix-timestamp", "") }, "", notify.ErrMalformed},
		"two ids of Svix": {func(h http.Header) {
			rename(h, "id")
			h.Add("svix-id", vectorID)
		}, "", notify.ErrMalformed},
		"no id, names of Svix": {func(h http.Header) {
			rename(h, "id", "timestamp", "signature")
			h.Del("svix-id")
		}, "", notify.ErrUnauthenticated},

		"another id":         {func(h http.Header) { h.Set("webhook-id", "msg_1") }, "", notify.ErrTokenInvalid},
		"another timestamp":  {func(h http.Header) { h.Set("webhook-timestamp", strconv.Itoa(vectorTime+1)) }, "", notify.ErrTokenInvalid},
		"another body":       {nil, vectorBody + " ", notify.ErrTokenInvalid},
		"five minutes old":   {func(h http.Header) { resign(t, h, at(-5*time.Minute)) }, "", nil},
		"five minutes early": {func(h http.Header) { resign(t, h, at(5*time.Minute)) }, "", nil},
		"old timestamp":      {func(h http.Header) { resign(t, h, at(-5*time.Minute-time.Second)) }, "", notify.ErrTokenInvalid},
		"new timestamp":      {func(h http.Header) { resign(t, h, at(5*time.Minute+time.Second)) }, "", notify.ErrTokenInvalid},
		"timestamp of 1970":  {func(h http.Header) { resign(t, h, 0) }, "", notify.ErrTokenInvalid},

		"two ids":                 {func(h http.Header) { h.Add("webhook-id", vectorID) }, "", notify.ErrMalformed},
		"two timestamps":          {func(h http.Header) { h.Add("webhook-timestamp", h.Get("webhook-timestamp")) }, "", notify.ErrMalformed},
		"two signatures' headers": {func(h http.Header) { h.Add("webhook-signature", vectorSignature) }, "", notify.ErrMalformed},
		"an empty id":             {func(h http.Header) { h.Set("webhook-id", "") }, "", notify.ErrMalformed},
		"an id too long":          {func(h http.Header) { h.Set("webhook-id", strings.Repeat("i", 256)) }, "", notify.ErrMalformed},
		"an id not ASCII":         {func(h http.Header) { h.Set("webhook-id", "é") }, "", notify.ErrMalformed},
		"an id in quotes":         {func(h http.Header) { h.Set("webhook-id", `"7"`) }, "", notify.ErrMalformed},
		"an id with a tab":        {func(h http.Header) { h.Set("webhook-id", "a\tb") }, "", notify.ErrMalformed},
		"an empty timestamp":      {func(h http.Header) { h.Set("webhook-timestamp", "") }, "", notify.ErrMalformed},
		"a timestamp with +":      {func(h http.Header) { h.Set("webhook-timestamp", "+1614265330") }, "", notify.ErrMalformed},
		"a timestamp with a zero": {func(h http.Header) { h.Set("webhook-timestamp", "01614265330") }, "", notify.ErrMalformed},
		"a timestamp with _":      {func(h http.Header) { h.Set("webhook-timestamp", "1_614_265_330") }, "", notify.ErrMalformed},
		"a negative timestamp":    {func(h http.Header) { h.Set("webhook-timestamp", "-1") }, "", notify.ErrMalformed},
		"a huge timestamp":        {func(h http.Header) { h.Set("webhook-timestamp", "9223372036854775807") }, "", notify.ErrMalformed},
		"a timestamp too large":   {func(h http.Header) { h.Set("webhook-timestamp", strings.Repeat("9", 99)) }, "", notify.ErrMalformed},
		"a timestamp in hex":      {func(h http.Header) { h.Set("webhook-timestamp", "0x60379d32") }, "", notify.ErrMalformed},

		// The signed bytes are id.timestamp.body: a dot in a field would make the fields ambiguous.
		"a dot in the id":        {func(h http.Header) { h.Set("webhook-id", vectorID+".1614265330") }, "", notify.ErrMalformed},
		"a dot in the timestamp": {func(h http.Header) { h.Set("webhook-timestamp", "1614265330.0") }, "", notify.ErrMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, body := vector(), vectorBody
			if test.change != nil {
				test.change(h)
			}
			if test.body != "" {
				body = test.body
			}
			require.Equal(t, true, auth.IsWebhook(h))
			p, id, err := v.VerifyWebhook(h, []byte(body))
			if test.err != nil {
				requireKind(t, test.err, err, vectorID+"."+vectorSignature[3:]+"."+vectorSecret[6:]+"."+vectorBody)
				require.Zero(t, p)
				require.Empty(t, id)
				return
			}
			require.NoError(t, err)
			require.Equal(t, vectorID, id)
			require.Equal(t, notify.Principal{Name: "webhook:shop", Scopes: []notify.Scope{notify.ScopePublish}}, p)
		})
	}
	_, _, err := start(t, auth.Options{Secrets: [][]byte{secret()}, Now: func() time.Time { return time.Unix(vectorTime, 0) }}).
		VerifyWebhook(vector(), []byte(vectorBody))
	requireKind(t, notify.ErrTokenInvalid, err, vectorSignature)
}

// resign sets the timestamp of a signed header.
func resign(t testing.TB, h http.Header, at int64) {
	t.Helper()
	h.Set("webhook-timestamp", strconv.FormatInt(at, 10))
	h.Set("webhook-signature", signHook(t, vectorSecret, h.Get("webhook-id"), at, vectorBody))
}

func TestIsWebhook(t *testing.T) {
	require.False(t, auth.IsWebhook(http.Header{"Authorization": {"Bearer x"}, "Idempotency-Key": {"x"}}))
	for _, name := range []string{"webhook-id", "Webhook-Timestamp", "WEBHOOK-SIGNATURE"} {
		h := http.Header{}
		h.Set(name, "")
		require.True(t, auth.IsWebhook(h), name)
	}
}

func TestWebhooksAreReadAgain(t *testing.T) {
	one, two := hookSecret('1', 32), hookSecret('2', 32)
	path := write(t, "webhooks.yaml", []byte(hookEntry("ci", one)))
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v := start(t, auth.Options{Secrets: [][]byte{secret()}, WebhooksFile: path, Now: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		verify := func(secret string) error {
			t.Helper()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			now := time.Now().Unix()
			_, _, err := v.VerifyWebhook(signedHeader("7", strconv.FormatInt(now, 10), signHook(t, secret, "7", now, "{}")), []byte("{}"))
			return err
		}
		change := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }

		require.NoError(t, verify(one))
		require.ErrorIs(t, verify(two), notify.ErrTokenInvalid)
		change(hookEntry("ci", two, one))
		require.NoError(t, verify(one))
		require.NoError(t, verify(two))
		change(hookEntry("ci", two))
		require.ErrorIs(t, verify(one), notify.ErrTokenInvalid)
		for _, broken := range []string{"", hookEntry("ci", one[1:]), "- secrets: *" + one[6:] + "\n", one + ": x\n"} {
			change(broken)
			require.NoError(t, verify(two), "a file with a mistake leaves the loaded secrets in use")
		}
		require.Contains(t, log.String(), "webhooks.yaml")
		require.NotContains(t, log.String(), one[7:20])
	})
}

func TestWebhooksFileReportsMistakes(t *testing.T) {
	long := make([]string, 33)
	for i := range long {
		long[i] = hookSecret(byte('A'+i), 24)
	}
	tests := map[string]struct {
		file string
		want []string
	}{
		"no prefix":        {hookEntry("ci", vectorSecret[6:]), []string{"line 1", "secret 1 does not begin with whsec_"}},
		"another prefix":   {hookEntry("ci", vectorSecret, "whpk_"+vectorSecret[6:]), []string{"secret 2 does not begin"}},
		"not base64":       {hookEntry("ci", vectorSecret+"!"), []string{"secret 1 is not base64"}},
		"too short":        {hookEntry("ci", hookSecret('s', 23)), []string{"23 bytes"}},
		"too long":         {hookEntry("ci", hookSecret('s', 65)), []string{"65 bytes"}},
		"no secrets":       {hookEntry("ci"), []string{"secrets must be a list"}},
		"a secret twice":   {hookEntry("ci", vectorSecret) + hookEntry("cd", vectorSecret), []string{"line 4", "secret 1 is listed twice"}},
		"a name twice":     {hookEntry("ci", vectorSecret) + hookEntry("ci", hookSecret('s', 24)), []string{"line 4", "ci is used twice"}},
		"too many":         {hookEntry("ci", long...), []string{"more than 32"}},
		"a member longer":  {"- " + vectorSecret + ": x\n", []string{"line 1", "unknown member a name that is not shown"}},
		"several mistakes": {hookEntry("ci", "x") + hookEntry("c d", vectorSecret), []string{"line 1", "line 4", "1 to 64"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := atVector(t, test.file)
			_, err := auth.New(t.Context(), o)
			require.ErrorContains(t, err, o.WebhooksFile)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), vectorSecret[7:20])
		})
	}
}
