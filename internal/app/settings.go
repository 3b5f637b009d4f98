package app

import (
	"errors"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
)

// purpose is what settings are read for.
type purpose uint8

const (
	// forClient reads no file that settings name: a service that runs goes on
	// with what a broken one last held, and a client must find it.
	forClient purpose = iota
	forShow
	forService // which needs a key
)

// settings returns the effective settings, or every mistake in them and in the
// files that they name.
func (t *terminal) settings(what purpose) (*config.Config, error) {
	cfg, err := config.Load(config.Sources{
		Flags: t.flags, Environ: t.environ, NeedKey: what == forService, NoFiles: what == forClient,
	})
	var mistakes config.Mistakes
	if err != nil && !errors.As(err, &mistakes) {
		return nil, err
	}
	note := func(flag string, err error) {
		name := config.Variable(flag)
		known := slices.ContainsFunc(mistakes, func(m config.Mistake) bool { return m.Name == name })
		if err != nil && !known { // a file that cannot be opened has been reported
			mistakes = append(mistakes, config.Mistake{Name: name, Detail: strings.ReplaceAll(err.Error(), "\n", "; ")})
		}
	}
	_, err = auth.ParseOrigins(cfg.AllowedOrigins)
	note("allowed-origins", err)
	if what != forClient {
		t.checkFiles(cfg, note)
	}
	if len(mistakes) > 0 {
		return cfg, mistakes
	}
	return cfg, nil
}

// checkFiles notes what is wrong with the contents of files.
func (t *terminal) checkFiles(cfg *config.Config, note func(flag string, err error)) {
	if cfg.TLSCertFile != "" && cfg.TLSKeyFile != "" {
		_, err := openCertificate(t.ctx, cfg.TLSCertFile, cfg.TLSKeyFile, nil)
		note("tls-cert-file", err)
	}
	claims := auth.CheckClaims(keysOf(cfg))
	note("jwt-user-claim", claims.UserClaim)
	note("jwt-user-prefix", claims.UserPrefix)
	note("jwt-scope-claims", claims.ScopeClaims)
	note("jwt-topics-claim", claims.TopicsClaim)
	wrong := auth.CheckFiles(t.ctx, keysOf(cfg))
	note("jwt-secret-file", wrong.Secrets)
	note("jwt-public-key-file", wrong.PublicKey)
	note("jwks", wrong.JWKS)
	note("issuers-file", wrong.Issuers)
	note("api-keys-file", wrong.APIKeys)
	note("webhooks-file", wrong.Webhooks)
}

// keysOf returns what tokens, API keys and signatures are verified with.
func keysOf(cfg *config.Config) auth.Options {
	var secrets [][]byte
	if cfg.JWTSecretFile == "" { // else they are those of the file, which is followed
		for _, secret := range cfg.JWTSecret {
			secrets = append(secrets, []byte(secret))
		}
	}
	return auth.Options{
		Secrets:       secrets,
		SecretsFile:   cfg.JWTSecretFile,
		PublicKeyFile: cfg.JWTPublicKeyFile,
		JWKS:          cfg.JWKS,
		Issuer:        cfg.JWTIssuer,
		Audience:      cfg.JWTAudience,
		Algorithms:    cfg.JWTAlgorithms,
		Clients:       cfg.JWTClients,
		UserClaim:     cfg.JWTUserClaim,
		UserPrefix:    cfg.JWTUserPrefix,
		ScopeClaims:   cfg.JWTScopeClaims,
		ScopePrefix:   cfg.JWTScopePrefix,
		TopicsClaim:   cfg.JWTTopicsClaim,
		IssuersFile:   cfg.IssuersFile,
		APIKeysFile:   cfg.APIKeysFile,
		WebhooksFile:  cfg.WebhooksFile,
		MaxBytes:      cfg.TokenBytes,
	}
}
