package dialect_test

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/frame"
	"github.com/bellhop/bellhop/test/load/bench/mark"
)

func request(t *testing.T, text []byte) (r *http.Request, body []byte) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if body, err = io.ReadAll(r.Body); err != nil {
		t.Fatal(err)
	}
	return r, body
}

func TestServicePublishesToOne(t *testing.T) {
	s := dialect.NewService(strings.Repeat("s", 32), 1)
	want := mark.Mark{User: 7, Sequence: 1, Sent: 99}
	r, body := request(t, s.Publish(nil, 0, []mark.Mark{want}, dialect.Ephemeral))

	var draft struct {
		To        struct{ Users []string }
		Data      json.RawMessage
		Ephemeral bool
	}
	if err := json.Unmarshal(body, &draft); err != nil {
		t.Fatal(err)
	}
	if got, ok := mark.Find(draft.Data); !ok || got != want || len(draft.Data) != 128 {
		t.Errorf("data of %d bytes: %s", len(draft.Data), draft.Data)
	}
	if r.URL.Path != "/notify" || draft.To.Users[0] != "load-00000007" || !draft.Ephemeral {
		t.Errorf("POST %s %s", r.URL, body)
	}
}

func TestServicePublishesABatchAndToEveryone(t *testing.T) {
	s := dialect.NewService(strings.Repeat("s", 32), 1)
	r, body := request(t, s.Publish(nil, 0, []mark.Mark{{User: 1}, {User: mark.Everyone}}, dialect.Stored))

	var batch struct {
		Notifications []struct {
			To struct {
				Users []string
				All   bool
			}
		}
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		t.Fatal(err)
	}
	n := batch.Notifications
	if r.URL.Path != "/notify/batch" || len(n) != 2 || len(n[0].To.Users) != 1 || !n[1].To.All {
		t.Errorf("POST %s %s", r.URL, body)
	}
}

func TestFloorPublishesAFrame(t *testing.T) {
	want := mark.Mark{User: 7, Sequence: 1}
	r, body := request(t, dialect.NewFloor().Publish(nil, 0, []mark.Mark{want}, dialect.Stored))
	f, rest, err := frame.Next(body)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes left", err, len(rest))
	}
	if got, ok := mark.Find(f.Payload); !ok || got != want || !json.Valid(f.Payload) {
		t.Errorf("payload %s", f.Payload)
	}
	if r.URL.Query().Get("user") != "load-00000007" {
		t.Errorf("POST %s", r.URL)
	}
}

func TestUpgradeCarriesTokenAndCursor(t *testing.T) {
	s := dialect.NewService(strings.Repeat("s", 32), 1)
	r, _ := request(t, s.Upgrade(nil, 7, []byte("abc_-")))
	if r.URL.String() != "/ws?cursor=abc_-" || strings.Count(r.Header.Get("Authorization"), ".") != 2 {
		t.Errorf("GET %s %v", r.URL, r.Header)
	}
}

func TestRS256TokensAreSignedInAdvance(t *testing.T) {
	const user = 2
	s, publicKey, err := dialect.NewServiceRS256(user + 1)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := request(t, s.Upgrade(nil, user, nil))
	token := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	claims, err1 := base64.RawURLEncoding.DecodeString(token[1])
	signature, err2 := base64.RawURLEncoding.DecodeString(token[2])
	if err1 != nil || err2 != nil || !strings.Contains(string(claims), `"sub":"load-00000002"`) {
		t.Fatalf("claims %s, %v, %v", claims, err1, err2)
	}

	block, _ := pem.Decode(publicKey)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(token[0] + "." + token[1]))
	if err := rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
}
