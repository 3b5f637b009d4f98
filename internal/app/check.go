package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/watch"
)

// SettingsError is the error of Run if settings, or files that they name, have mistakes. The
// service was not started.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string { return e.Err.Error() }

// Unwrap returns the mistakes.
func (e *SettingsError) Unwrap() error { return e.Err }

// LoadSettings returns the settings as Run needs them. Its error is of type config.Mistakes, has
// also those in the files that settings name, and the settings are returned with it.
func LoadSettings(ctx context.Context, from config.Sources) (*config.Config, error) {
	cfg, err := config.Load(from)
	var mistakes config.Mistakes
	if err != nil && !errors.As(err, &mistakes) {
		return nil, err
	}
	if mistakes = append(mistakes, check(ctx, cfg)...); len(mistakes) > 0 {
		mistakes.Sort()
		return cfg, mistakes
	}
	return cfg, nil
}

// check returns every mistake that Run would find in the settings and in the
// files that they name, beyond those of config.Load.
func check(ctx context.Context, cfg *config.Config) config.Mistakes {
	var mistakes config.Mistakes
	note := func(flag string, err error) {
		if err != nil {
			mistakes = append(mistakes, cfg.Mistake(flag, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
	}
	_, err := auth.ParseOrigins(cfg.AllowedOrigins)
	note("allowed-origins", err)
	checkCertificate(ctx, cfg, note)
	options := authOptions(cfg)
	if err = auth.CheckAlgorithms(cfg.JWTAlgorithms); err == nil {
		err = auth.CheckSecrets(options)
	}
	note("jwt-algorithms", err)
	claims := auth.CheckClaims(options)
	note("jwt-user-claim", claims.UserClaim)
	note("jwt-user-prefix", claims.UserPrefix)
	note("jwt-scope-claims", claims.ScopeClaims)
	note("jwt-topics-claim", claims.TopicsClaim)
	wrong := auth.CheckFiles(ctx, options)
	note("jwt-secret-file", wrong.Secrets)
	note("jwt-public-key-file", wrong.PublicKey)
	note("jwks", wrong.JWKS)
	note("issuers-file", wrong.Issuers)
	note("api-keys-file", wrong.APIKeys)
	note("webhooks-file", wrong.Webhooks)
	if hasKeys := len(options.Secrets) > 0 || cfg.JWTSecretFile+cfg.JWTPublicKeyFile+cfg.JWKS+cfg.IssuersFile != ""; hasKeys && len(mistakes) == 0 {
		note("issuers-file", auth.Check(ctx, options)) // of several settings together
	}
	nats := journal.CheckFiles(journal.ConnOptions{CredentialsFile: cfg.NATSCredentialsFile, CAFile: cfg.NATSCAFile})
	note("nats-credentials-file", nats.Credentials)
	note("nats-ca-file", nats.CA)
	return mistakes
}

// checkCertificate notes each file of the certificate that cannot be read, also if the other one is
// not set, or else that they do not fit each other.
func checkCertificate(ctx context.Context, cfg *config.Config, note func(flag string, err error)) {
	canOpen := cfg.TLSCertFile != "" && cfg.TLSKeyFile != ""
	for _, file := range []struct{ flag, path string }{{"tls-cert-file", cfg.TLSCertFile}, {"tls-key-file", cfg.TLSKeyFile}} {
		if file.path == "" {
			continue
		}
		if _, err := watch.Read(file.path, maxPairBytes); err != nil {
			note(file.flag, fmt.Errorf("%s: %w", file.path, err))
			canOpen = false
		}
	}
	if canOpen {
		_, err := openCertificate(ctx, cfg.TLSCertFile, cfg.TLSKeyFile, nil)
		note("tls-cert-file", err)
	}
}

// authOptions returns the options of package auth, which verifies tokens, API keys and signatures.
func authOptions(cfg *config.Config) auth.Options {
	var secrets [][]byte
	for _, secret := range cfg.JWTSecret {
		secrets = append(secrets, []byte(secret))
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
