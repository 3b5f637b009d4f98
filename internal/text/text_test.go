package text_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/text"
)

// ders returns keys and a certificate in DER form.
func ders(t *testing.T) map[string][]byte {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ed, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	all := map[string][]byte{"PKCS #1 public": x509.MarshalPKCS1PublicKey(&private.PublicKey), "PKCS #1": x509.MarshalPKCS1PrivateKey(private)}
	for name, key := range map[string]any{"RSA": &private.PublicKey, "EC": &ec.PublicKey, "Ed25519": ed, "X25519": x.PublicKey()} {
		all[name], err = x509.MarshalPKIXPublicKey(key)
		require.NoError(t, err)
	}
	all["PKCS #8"], err = x509.MarshalPKCS8PrivateKey(edPrivate)
	require.NoError(t, err)
	all["SEC 1"], err = x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now()}
	all["certificate"], err = x509.CreateCertificate(rand.Reader, template, template, &ec.PublicKey, ec)
	require.NoError(t, err)
	return all
}

// wrapped breaks s into lines, as openssl does.
func wrapped(s, separator string) string {
	var lines []string
	for len(s) > 64 {
		lines = append(lines, s[:64])
		s = s[64:]
	}
	return strings.Join(append(lines, s), separator)
}

// Keys are refused in each form, as a value and as a file.
func TestKeysAreRefusedAsSecrets(t *testing.T) {
	refused := map[string]string{
		"JWK":                    `{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"a key of an issuer"}`,
		"JWK, symmetric":         ` { "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0", "kty": "oct" } `,
		"JWK Set":                `{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`,
		"list of JWKs":           `[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]`,
		"JWK without its quotes": `{kty:RSA,n:AQABAQABAQABAQABAQABAQAB,e:AQAB}`,
		"settings of Hasura":     `{"type":"HS256","key":"0123456789abcdef0123456789abcdef"}`,
		"SSH key":                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJYrV0tG ada@example.com",
		"XML key":                "<RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>",
		"token":                  "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJlIG9mIGEgdG9rZW4",
	}
	for name, s := range maps.Clone(refused) {
		refused[name+" in base64"] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	for name, der := range ders(t) {
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		refused[name+" in PEM"] = text
		refused[name+" in PEM, CRLF"] = strings.ReplaceAll(text, "\n", "\r\n")
		refused[name+" in PEM, escaped"] = strings.ReplaceAll(text, "\n", `\n`)
		refused[name+" in PEM, the end cut"] = text[:90]
		refused[name+" in PEM, in base64"] = base64.StdEncoding.EncodeToString([]byte(text))
		refused[name+" in DER"] = string(der)
		refused[name+" in base64"] = base64.StdEncoding.EncodeToString(der)
		refused[name+" in base64url"] = base64.RawURLEncoding.EncodeToString(der)
		refused[name+" in base64, in lines"] = wrapped(base64.StdEncoding.EncodeToString(der), "\n")
		refused[name+" in base64, with spaces"] = wrapped(base64.StdEncoding.EncodeToString(der), " ")
		refused[name+" in hexadecimal digits"] = hex.EncodeToString(der)
	}
	for name, s := range refused {
		err := text.CheckSecret(s)
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), s, name)
		assert.NotContains(t, err.Error(), s[len(s)/2:len(s)/2+8], name)
		_, err = text.Secrets([]byte("\ufeff" + s + "\r\n"))
		require.Error(t, err, name)
		if !strings.Contains(s, "\n") {
			_, err = text.Secrets([]byte("0123456789abcdef0123456789abcdef\n" + s))
			require.Error(t, err, "%s, in a list with a secret", name)
		}
	}
}

func TestQuotesAndNULAreRefusedInSecrets(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for _, s := range []string{`"` + secret + `"`, "'" + secret + "'", "`" + secret + "`", "“" + secret + "”", "„" + secret + "“", "«" + secret + "»", secret + "\x00"} {
		require.Error(t, text.CheckSecret(s), s)
		_, err := text.Secrets([]byte(s + "\n"))
		require.Error(t, err, s)
		_, err = text.Secrets([]byte(secret + "\n" + s + "\n"))
		require.Error(t, err, s)
	}
	_, err := text.Secrets([]byte(`"` + secret + "," + secret + `"`))
	require.ErrorContains(t, err, "quotes")
}

// A thousand outputs of password generators are accepted.
func TestSecretsAreAccepted(t *testing.T) {
	random := make([]byte, 48)
	for range 1_000 {
		_, _ = rand.Read(random)
		for _, s := range []string{
			base64.StdEncoding.EncodeToString(random), base64.RawURLEncoding.EncodeToString(random), hex.EncodeToString(random), rand.Text() + rand.Text(),
		} {
			require.NoError(t, text.CheckSecret(s), s)
		}
	}
	for _, s := range []string{
		"correct horse battery staple, and more of it", `"begins with a quote and does not end with one`, `it's "quoted" within; it's not around`,
		"{braces are no JSON, and 32 bytes long}", "[brackets] neither, if they are not JSON", "<tags> neither, of 32 bytes and more",
		"0123456789abcdef0123456789abcdef", "MIIBIjANBgkq begins like a key, but is not one",
	} {
		require.NoError(t, text.CheckSecret(s), s)
	}
}

func TestSecretsOfAFile(t *testing.T) {
	const one, two = "0123456789abcdef0123456789abcdef", "correct horse battery staple 9876"
	for name, file := range map[string]string{
		"lines":           one + "\n" + two + "\n",
		"lines of DOS":    one + "\r\n" + two + "\r\n",
		"lines of a Mac":  one + "\r" + two,
		"commas":          one + ", " + two,
		"a BOM":           "\ufeff" + one + "\n" + two,
		"two BOMs":        "\ufeff" + one + "\n\ufeff" + two,
		"empty lines":     "\n\n" + one + "\n \n" + two + "\n\n",
		"white space":     " " + one + "\t\n\t" + two + " ",
		"a comma, a line": one + ",\n" + two,
	} {
		secrets, err := text.Secrets([]byte(file))
		require.NoError(t, err, name)
		require.Equal(t, []string{one, two}, secrets, name)
	}
	for _, file := range []string{"", "\ufeff", "\n \r\n,"} {
		_, err := text.Secrets([]byte(file))
		require.ErrorContains(t, err, "no secret")
	}
	for _, file := range []string{"\xff\xfe0\x001\x00", "\xfe\xff\x000\x001"} {
		_, err := text.Secrets([]byte(file))
		require.ErrorContains(t, err, "UTF-8")
	}
}

func TestValues(t *testing.T) {
	assert.Equal(t, "/data", text.Value("\ufeff /data\r\n"))
	for _, s := range []string{"/data", "https://a.example/?q=1", "O'Hara", `a"b`, "ä b", ""} {
		require.NoError(t, text.Check(s), s)
	}
	for _, s := range []string{`"/data"`, "'/data'", `"/data`, `/data"`, "“/data”", "a\x00b", "a\nb", "a\rb", "a\x7f", "a\ufeffb"} {
		err := text.Check(s)
		require.Error(t, err, s)
		assert.NotContains(t, err.Error(), s)
	}
}

func TestHideURL(t *testing.T) {
	for s, want := range map[string]string{
		"https://login.example.com/keys":           "https://login.example.com/keys",
		"https://login.example.com:8443/a%20b":     "https://login.example.com:8443/a%20b",
		"https://a.example/keys?apikey=secret&v=2": "https://a.example/keys?apikey=(hidden)&v=(hidden)",
		"https://a.example/keys?secret":            "https://a.example/keys?(hidden)",
		"https://ada:secret@a.example/keys":        "https://(hidden)@a.example/keys",
		"https://secret@a.example":                 "https://(hidden)@a.example",
		"HTTPS://a.example/keys?A=secret#secret":   "https://a.example/keys?A=(hidden)#(hidden)",
		"https://a.example:secret/keys":            "https://(hidden)",
		"nats://secret@a:4222":                     "nats://(hidden)@a:4222",
		"a.example/keys?apikey=secret":             "a.example/keys?apikey=(hidden)",
		"/etc/keys.json":                           "/etc/keys.json",
		"":                                         "",
		"*":                                        "*",
		"https://a.example/k?token=%zz&key=secret": "https://a.example/k?token=(hidden)&key=(hidden)",
	} {
		assert.Equal(t, want, text.HideURL(s))
	}
}
