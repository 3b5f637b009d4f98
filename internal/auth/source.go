package auth

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

const (
	urlRefresh    = 5 * time.Minute  // interval of fetches
	unknownWindow = 30 * time.Second // shortest interval of fetches because of unknown keys, and delay after a failed fetch
	fetchTimeout  = 5 * time.Second
	maxSetBytes   = 1 << 20 // maximum size of a file or response with keys
	maxSetKeys    = 100     // limits how many keys are tried for a token without a kid
)

// tokenKeys is the name of the content of most sources, in log lines.
const tokenKeys = "token keys"

// sourceOptions returns the options that all sources have in common.
func sourceOptions[T any](o *Options, what, name string) watch.Options[T] {
	return watch.Options[T]{
		What:    what,
		Name:    text.HideURL(name),
		Changed: func() { o.version.Add(1) }, // invalidates the cached tokens
		Now:     o.Now,
		Logger:  o.Logger,
	}
}

// fileSource returns the source of the file at path.
func fileSource[T any](what, path string, o *Options, parse func(context.Context, []byte) (T, error)) *watch.Source[T] {
	s := sourceOptions[T](o, what, path)
	s.Load = fileLoad(path, parse)
	return watch.New(s)
}

func fileLoad[T any](path string, parse func(context.Context, []byte) (T, error)) func(context.Context) (T, error) {
	return watch.Files(maxSetBytes, func(ctx context.Context, contents [][]byte) (T, error) {
		return parse(ctx, contents[0])
	}, path)
}

func pemFile(o *Options) *watch.Source[[]key] {
	return fileSource(tokenKeys, o.PublicKeyFile, o, func(_ context.Context, data []byte) ([]key, error) { return parsePEM(data, o.Algorithms) })
}

// secretFile returns the source of a file of shared secrets, separated by commas or line
// breaks.
func secretFile(o *Options) *watch.Source[[]key] {
	return fileSource(tokenKeys, o.SecretsFile, o, func(_ context.Context, data []byte) ([]key, error) { return parseSecrets(data, o.Algorithms) })
}

// parseSecrets returns the shared secrets in data, which must have at least one.
func parseSecrets(data []byte, allowed []string) ([]key, error) {
	secrets, err := text.Secrets(data)
	if err != nil {
		return nil, err
	}
	keys := make([]key, len(secrets))
	for i, secret := range secrets {
		if keys[i], err = newKey("", []byte(secret), "", allowed); err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err) // by its number, since it must not be shown
		}
	}
	return keys, nil
}

// CheckSecrets returns an error for each of the secrets of o that fits none of its
// algorithms.
func CheckSecrets(o Options) error {
	o.setDefaults()
	return new(keyring).addSecrets(&o)
}

// SetSecrets replaces the shared secrets of the options by those of o, which CheckSecrets must
// have accepted. Tokens that were signed with a secret which is no longer there are refused from
// now on; connections that were opened with one stay open until their token expires. There must
// have been a key of the options before.
func (v *Verifier) SetSecrets(o Options) error {
	if v.settings == nil {
		return errors.New("the issuer of the settings had no key at the start")
	}
	o.Now = v.now
	fresh := new(keyring)
	if err := fresh.addSecrets(&o); err != nil {
		return err
	}
	if now := fresh.secrets.Load(); !reflect.DeepEqual(now.keys, v.settings.secrets.Load().keys) {
		v.settings.secrets.Store(now)
	}
	v.version.Add(1)
	return nil
}

// FileMistakes has an error for each file of Options, with the lines of its mistakes. An
// error is nil if the file has none, or if there is no such file in Options.
type FileMistakes struct{ Secrets, PublicKey, JWKS, Issuers, APIKeys, Webhooks error }

// CheckFiles reads the files that o names, as New does, so that their mistakes can be
// reported together with those of other settings. It fetches no URL.
func CheckFiles(ctx context.Context, o Options) (wrong FileMistakes) {
	o.setDefaults()
	if o.SecretsFile != "" {
		wrong.Secrets = secretFile(&o).Start(ctx)
	}
	if o.PublicKeyFile != "" {
		wrong.PublicKey = pemFile(&o).Start(ctx)
	}
	if o.JWKS != "" && !isURL(o.JWKS) {
		wrong.JWKS = jwksFile(&o).Start(ctx)
	}
	if o.IssuersFile != "" {
		wrong.Issuers = issuersFile(&o).Start(ctx)
	}
	if o.APIKeysFile != "" {
		wrong.APIKeys = apiKeysFile(&o).Start(ctx)
	}
	if o.WebhooksFile != "" {
		wrong.Webhooks = webhooksFile(&o).Start(ctx)
	}
	return wrong
}

// Check returns every mistake that New would find in o and in its files. It fetches no URL.
func Check(ctx context.Context, o Options) error {
	o.setDefaults()
	v := &Verifier{}
	return errors.Join(o.check(), v.readSettings(ctx, &o), v.readFiles(ctx, &o))
}

// Reload reads every file and fetches every key set now. It returns the joined errors of
// those that cannot be loaded. Their last good versions stay in force.
func (v *Verifier) Reload(ctx context.Context) error {
	var all reload
	if v.issuers != nil {
		add(ctx, &all, v.issuers)
		all.running.Wait() // first, since the file lists the issuers
	}
	for _, i := range v.everyIssuer() {
		for _, s := range i.sources {
			add(ctx, &all, s)
		}
	}
	if v.apiKeys != nil {
		add(ctx, &all, v.apiKeys)
	}
	if v.webhooks != nil {
		add(ctx, &all, v.webhooks)
	}
	all.running.Wait()
	return errors.Join(all.errs...)
}

// reload is a Reload that is running.
type reload struct {
	running sync.WaitGroup

	mu   sync.Mutex
	errs []error // guarded by mu
}

// add reloads s in a goroutine, for which the caller waits.
func add[T any](ctx context.Context, all *reload, s *watch.Source[T]) {
	all.running.Go(func() {
		err := s.Reload(ctx)
		if err == nil || errors.Is(err, watch.ErrEnded) { // its issuer was removed meanwhile
			return
		}
		all.mu.Lock()
		defer all.mu.Unlock()
		all.errs = append(all.errs, fmt.Errorf("%s: %w", s.Name(), err))
	})
}
