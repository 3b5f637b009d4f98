package text

import (
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Secrets returns the shared secrets in a file, which are separated by commas or line
// breaks. It returns an error if one of them is not a secret by CheckSecret, or if there is
// none. Errors do not contain a secret.
func Secrets(file []byte) ([]string, error) {
	clean, err := Clean(file)
	if err != nil {
		return nil, err
	}
	all := string(clean)
	if err := CheckSecret(strings.TrimSpace(all)); err != nil { // before it is split: a PEM file has several lines, a JWK has commas
		return nil, err
	}
	var secrets []string
	for s := range strings.FieldsFuncSeq(all, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if s = Value(s); s != "" { // several files in one may have a byte order mark each
			secrets = append(secrets, s)
		}
	}
	if len(secrets) == 0 {
		return nil, errors.New("the file contains no secret")
	}
	for _, s := range secrets {
		if err := CheckSecret(s); err != nil {
			return nil, err
		}
	}
	return secrets, nil
}

// MinSecretBytes is the minimum size of a shared secret: that of a key for HS256 by
// RFC 7518, section 3.2.
const MinSecretBytes = 32

// CheckSecret returns an error if s, which is a shared secret or a list of them, contains
// NUL bytes, has quotes around it, or is key material. Key material may be a public key, and
// everyone who has it could sign tokens. The error does not contain s.
func CheckSecret(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("contains NUL bytes; it must be text")
	}
	if isQuoted(s) {
		return errors.New("has quotes around it, which would be part of the secret; remove them")
	}
	const advice = "; a shared secret must be random text that only the issuer and the service know; public keys belong in a public key file or a key set"
	if kind := kindOfKey(s); kind != "" {
		return errors.New("is " + kind + advice)
	}
	compact := strings.Join(strings.Fields(s), "")
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, decodeBase64} {
		if decoded, err := decode(compact); err == nil {
			if kind := kindOfKey(string(decoded)); kind != "" {
				return errors.New("is the encoded form of " + kind + advice)
			}
		}
	}
	return nil
}

// IsKey reports whether data is a key in DER form.
func IsKey(data []byte) bool { return isDER(data) }

func isQuoted(s string) bool {
	first, size := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if len(s) <= size || !strings.ContainsRune(quotes, first) || !strings.ContainsRune(quotes, last) {
		return false
	}
	return first == last || first > unicode.MaxASCII && last > unicode.MaxASCII // opening and closing quotes of a word processor differ
}

// kindOfKey returns the kind of key or token that s is, or an empty string.
func kindOfKey(s string) string {
	trimmed := strings.TrimSpace(s)
	switch {
	case strings.Contains(s, "-----BEGIN"), strings.Contains(s, "-----END"):
		return "a key or certificate in PEM form"
	case isJSON(trimmed):
		return "JSON text, such as a JWK"
	case strings.HasPrefix(trimmed, "<") && strings.Contains(trimmed, "KeyValue>"):
		return "a key in XML form"
	case strings.HasPrefix(trimmed, "ssh-"), strings.HasPrefix(trimmed, "ecdsa-sha2-"):
		return "a public key for SSH"
	case strings.HasPrefix(trimmed, "eyJ") && strings.Count(trimmed, ".") == 2:
		return "a token"
	case isDER([]byte(s)):
		return "a key or certificate in DER form"
	}
	return ""
}

// isJSON reports whether s is a JSON object or array, the part of an object before a comma,
// or a JWK without its quotes, which a shell may have removed.
func isJSON(s string) bool {
	if !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") {
		return false
	}
	isCut := strings.HasPrefix(strings.TrimSpace(s[1:]), `"`) && strings.Contains(s, `":`)
	return json.Valid([]byte(s)) || isCut || strings.Contains(s, "kty")
}

// isDER reports whether data is an ASN.1 sequence as keys and certificates are: its elements
// are well-formed, and the first is a number or a sequence.
func isDER(data []byte) bool {
	printable := utf8.Valid(data) && !strings.ContainsFunc(string(data), unicode.IsControl)
	if printable { // text that is also DER by chance
		return false
	}
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(data, &outer)
	if err != nil || strings.TrimSpace(string(rest)) != "" || !outer.IsCompound || outer.Tag != asn1.TagSequence {
		return false
	}
	for n, inner := 0, outer.Bytes; len(inner) > 0; n++ {
		var element asn1.RawValue
		if inner, err = asn1.Unmarshal(inner, &element); err != nil {
			return false
		}
		if n == 0 && element.Tag != asn1.TagSequence && element.Tag != asn1.TagInteger {
			return false
		}
	}
	return len(outer.Bytes) > 0
}

// decodeBase64 decodes both alphabets, with or without padding.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	return base64.RawStdEncoding.DecodeString(s)
}
