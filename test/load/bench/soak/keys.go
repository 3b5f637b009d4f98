//go:build linux

package soak

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
)

// keys are the shared secrets that verify tokens, in a file that the service reads again when it
// changes. The newest comes first.
type keys struct {
	file string

	mu      sync.Mutex
	secrets []string
	changed time.Time // when the newest secret was added
}

func newKeys(file string) *keys {
	return &keys{file: file, secrets: []string{newSecret()}}
}

func newSecret() string {
	b := make([]byte, 48)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

// rotate adds a secret and removes the oldest of three.
func (k *keys) rotate() error {
	k.mu.Lock()
	k.secrets = append([]string{newSecret()}, k.secrets...)
	k.secrets = k.secrets[:min(len(k.secrets), 3)]
	k.changed = time.Now()
	k.mu.Unlock()
	return k.write()
}

func (k *keys) write() error {
	k.mu.Lock()
	text := strings.Join(k.secrets, "\n")
	k.mu.Unlock()
	if err := os.WriteFile(k.file+".new", []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the secrets: %w", err)
	}
	if err := os.Rename(k.file+".new", k.file); err != nil {
		return fmt.Errorf("replace the secrets: %w", err)
	}
	return nil
}

// token returns a token that is valid for a minute, signed with the newest secret that the service
// has had time to read.
func (k *keys) token(user, scope string) string {
	k.mu.Lock()
	secret := k.secrets[0]
	if len(k.secrets) > 1 && time.Since(k.changed) < settleAfter {
		secret = k.secrets[1]
	}
	k.mu.Unlock()
	return dialect.Token(secret, user, scope, []string{topic}, time.Now().Add(time.Minute))
}
