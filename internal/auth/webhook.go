package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

// Values of Standard Webhooks 1.0, and limits of this service.
const (
	webhookTolerance = 5 * time.Minute // between webhook-timestamp and now

	headerWebhookID        = "Webhook-Id"
	headerWebhookTimestamp = "Webhook-Timestamp"
	headerWebhookSignature = "Webhook-Signature"

	// Svix, where the standard comes from, still sends svix-id instead of webhook-id, and
	// so on.
	standardPrefix, svixPrefix = "Webhook-", "Svix-"

	webhookSecretPrefix = "whsec_"
	minWebhookSecret    = 24 // bytes
	maxWebhookSecret    = 64
	maxWebhookSecrets   = 32 // in the file: each is tried for every signed request
	maxSignatures       = 16 // in a request
	maxTimestampDigits  = 11 // enough until the year 5138
)

// hook is a webhook of the webhooks file.
type hook struct {
	secrets   [][]byte
	principal notify.Principal
}

// IsWebhook reports whether h has any header of Standard Webhooks. The signature may be
// incomplete or wrong.
func IsWebhook(h http.Header) bool {
	for _, name := range [...]string{headerWebhookID, headerWebhookTimestamp, headerWebhookSignature} {
		if len(h[name])+len(h[svixName(name)]) > 0 {
			return true
		}
	}
	return false
}

// svixName returns the name that Svix uses for a header of the standard.
func svixName(name string) string { return svixPrefix + strings.TrimPrefix(name, standardPrefix) }

// CheckWebhook checks the headers of a signed request before its body is read. The kind of
// an error is ErrUnauthenticated if a header is missing, ErrMalformed if one is repeated or
// malformed, and ErrTokenInvalid if the timestamp is not current or no webhook is configured.
func (v *Verifier) CheckWebhook(h http.Header) error {
	_, err := v.readWebhook(h)
	if err == nil && len(v.hooks()) == 0 {
		err = notify.TokenInvalid(notify.CauseKey, "no webhook is configured: BELLHOP_WEBHOOKS_FILE must list its secret")
	}
	return err
}

// VerifyWebhook verifies the Standard Webhooks signature of body in h. It returns the
// principal whose secret made it, and the webhook-id, 1 to 255 characters of printable ASCII,
// which serves as the idempotency key. Errors are those of CheckWebhook, and of kind
// ErrTokenInvalid if no configured secret made the signature.
//
// The library of the standard is used only in tests, for comparison: it copies the body twice
// for each secret, accepts the first of repeated headers, and reads the clock itself.
func (v *Verifier) VerifyWebhook(h http.Header, body []byte) (p notify.Principal, id string, err error) {
	w, err := v.readWebhook(h)
	if err != nil {
		return notify.Principal{}, "", err
	}
	hooks := v.hooks()
	found := -1
	for i := range hooks { // tries all of them, so that the duration reveals nothing
		for _, secret := range hooks[i].secrets {
			found = subtle.ConstantTimeSelect(w.signedWith(secret, body), i, found)
		}
	}
	if found < 0 {
		return notify.Principal{}, "", notify.TokenInvalid(notify.CauseSignature, "the webhook-signature was not made with any configured secret")
	}
	return hooks[found].principal, w.id, nil
}

// webhook has the values of the headers of a signed request.
type webhook struct {
	id         string
	timestamp  string // as sent, because it is part of the signed content
	at         time.Time
	signatures []string // of version 1
}

func (v *Verifier) hooks() []hook {
	if v.webhooks == nil {
		return nil
	}
	return v.webhooks.Current()
}

func (v *Verifier) readWebhook(h http.Header) (webhook, error) {
	w, err := readWebhook(h)
	if err != nil {
		return webhook{}, err
	}
	if apart := v.now().Sub(w.at); apart.Abs() > webhookTolerance {
		return webhook{}, invalidFor(notify.CauseTime, "the webhook-timestamp is more than 5 minutes from now", "%s ago", apart.Round(time.Second))
	}
	return w, nil
}

func readWebhook(h http.Header) (w webhook, err error) {
	if w.id, err = only(h, headerWebhookID); err != nil {
		return webhook{}, err
	}
	if w.timestamp, err = only(h, headerWebhookTimestamp); err != nil {
		return webhook{}, err
	}
	signatures, err := only(h, headerWebhookSignature)
	if err != nil {
		return webhook{}, err
	}
	// The signed content is the id, the timestamp and the body, joined by dots. An id
	// with a dot would allow the same signature for other values.
	if id, err := notify.ParseKey(w.id); err != nil || len(id) != len(w.id) || strings.Contains(id, ".") {
		return webhook{}, malformed("webhook-id must be 1 to 255 printable ASCII characters without a dot, and not in quotes")
	}
	seconds, err := strconv.ParseUint(w.timestamp, 10, 63)
	if err != nil || len(w.timestamp) > maxTimestampDigits || strconv.FormatUint(seconds, 10) != w.timestamp {
		return webhook{}, malformed("webhook-timestamp must be the seconds since 1970 in plain decimal digits")
	}
	w.at = time.Unix(int64(seconds), 0)
	for signature := range strings.SplitSeq(signatures, " ") {
		if len(w.signatures) == maxSignatures {
			return webhook{}, malformed("webhook-signature has more than " + strconv.Itoa(maxSignatures) + " signatures")
		}
		if mac, ok := strings.CutPrefix(signature, "v1,"); ok { // other versions use asymmetric keys
			w.signatures = append(w.signatures, mac)
		}
	}
	return w, nil
}

// only returns the value of a header that must occur exactly once. It may occur under both of
// its names if the values are equal.
func only(h http.Header, name string) (string, error) {
	standard, svix := h[name], h[svixName(name)]
	switch {
	case len(standard) > 1 || len(svix) > 1:
		return "", malformed("the request has more than one " + strings.ToLower(name) + " header")
	case len(standard)+len(svix) == 0:
		return "", notify.Errorf(notify.ErrUnauthenticated, "a signed request needs the headers webhook-id, webhook-timestamp and webhook-signature: %s is missing", strings.ToLower(name))
	case len(standard) == 0:
		return svix[0], nil
	case len(svix) == 1 && standard[0] != svix[0]:
		return "", malformed(strings.ToLower(name) + " and " + strings.ToLower(svixName(name)) + " differ: send one of them")
	}
	return standard[0], nil
}

// signedWith returns 1 if secret made one of the signatures over body, else 0.
func (w *webhook) signedWith(secret, body []byte) int {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(w.id + "." + w.timestamp + "."))
	mac.Write(body)
	want := base64.StdEncoding.AppendEncode(nil, mac.Sum(nil))
	ok := 0
	for _, signature := range w.signatures {
		ok |= subtle.ConstantTimeCompare([]byte(signature), want)
	}
	return ok
}

func webhooksFile(o *Options) *watch.Source[[]hook] {
	return fileSource("webhook secrets", o.WebhooksFile, o, func(_ context.Context, data []byte) ([]hook, error) {
		return parseWebhooks(data)
	})
}

// hookItem is an item of the webhooks file.
type hookItem struct {
	Name    string         `yaml:"name"`
	Secrets []string       `yaml:"secrets"`
	Scopes  []notify.Scope `yaml:"scopes"`
}

func parseWebhooks(data []byte) ([]hook, error) {
	items, err := strict.List[hookItem](data, maxWebhookSecrets)
	errs := []error{err}
	var hooks []hook
	names, secrets := map[string]bool{}, map[string]bool{}
	for n := range items {
		item := &items[n]
		name := item.Value.Name
		h := hook{principal: notify.Principal{Name: "webhook:" + name, Scopes: item.Value.Scopes}}
		errs = append(errs, item.At("name", checkName(name)), item.At("scopes", checkScopes(item.Value.Scopes)))
		for i, given := range item.Value.Secrets {
			secret, err := webhookSecret(given)
			switch {
			case err != nil:
				errs = append(errs, item.Wrong("secret %d %w", i+1, err)) // by its number, since it must not be shown
			case secrets[string(secret)]:
				errs = append(errs, item.Wrong("secret %d is listed twice", i+1))
			case len(secrets) == maxWebhookSecrets:
				errs = append(errs, item.Wrong("the file has more than %d secrets", maxWebhookSecrets))
			}
			secrets[string(secret)] = true
			h.secrets = append(h.secrets, secret)
		}
		if names[name] && item.Has("name") {
			errs = append(errs, item.Wrong("the name %s is used twice", name))
		}
		names[name] = true
		hooks = append(hooks, h)
	}
	return hooks, strict.Ordered(errs...)
}

func webhookSecret(given string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(given, webhookSecretPrefix)
	if !ok {
		return nil, errors.New("does not begin with " + webhookSecretPrefix)
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	switch {
	case err != nil:
		return nil, errors.New("is not base64 after " + webhookSecretPrefix)
	case text.IsKey(secret):
		return nil, errors.New("is a key in DER form: it must be random bytes")
	case len(secret) < minWebhookSecret || len(secret) > maxWebhookSecret:
		return nil, fmt.Errorf("has %d bytes: it must have %d to %d", len(secret), minWebhookSecret, maxWebhookSecret)
	}
	return secret, nil
}
