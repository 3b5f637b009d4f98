package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

type tokenCommand struct {
	User     string        `required:"" placeholder:"USER" help:"user of the token, including the user prefix of the issuer if there is one"`
	Scope    []string      `placeholder:"SCOPE" help:"scope of the token: notify:publish, notify:broadcast, notify:topics or notify:admin; may be repeated (default: none, which allows receiving and marking)"`
	Topic    []string      `placeholder:"TOPIC" help:"topic whose notifications the user receives: a name, or a pattern like project.*; may be repeated"`
	TTL      time.Duration `default:"1h" help:"lifetime of the token, at most 31d"`
	Issuer   string        `placeholder:"ISSUER" help:"issuer (iss) of the token (default: BELLHOP_JWT_ISSUER)"`
	Audience string        `placeholder:"AUDIENCE" help:"audience (aud) of the token (default: BELLHOP_JWT_AUDIENCE)"`

	Config        string `type:"setting" placeholder:"PATH" help:"YAML file of settings"`
	JWTSecretFile string `name:"jwt-secret-file" type:"setting" placeholder:"PATH" help:"file of the shared secrets"`
}

// Help adds an example to the command's description.
func (*tokenCommand) Help() string {
	return "The token is signed with the first of the shared secrets that are configured in the same environment. Example: bellhop token --user ada --scope notify:publish"
}

// claimsOf returns the claims that all tokens signed with the shared secret have.
func claimsOf(cfg *config.Config) auth.Claims {
	c := auth.Claims{
		Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, UserClaim: cfg.JWTUserClaim, UserPrefix: cfg.JWTUserPrefix,
		ScopePrefix: cfg.JWTScopePrefix, TopicsClaim: cfg.JWTTopicsClaim,
	}
	if len(cfg.JWTScopeClaims) > 0 {
		c.ScopeClaim = cfg.JWTScopeClaims[0]
	}
	if len(cfg.JWTClients) > 0 {
		c.Client = cfg.JWTClients[0]
	}
	return c
}

// signingSecret returns the first of the shared secrets.
func signingSecret(cfg *config.Config) ([]byte, error) {
	if len(cfg.JWTSecret) > 0 {
		return []byte(cfg.JWTSecret[0]), nil
	}
	path := cfg.JWTSecretFile
	if path == "" {
		return nil, config.Mistakes{{Name: config.Variable("jwt-secret"), Detail: "is required for signing a token"}}
	}
	file, err := watch.Read(path, 1<<20)
	var secrets []string
	if err == nil {
		secrets, err = text.Secrets(file)
	}
	if err != nil {
		return nil, config.Mistakes{{Name: config.Variable("jwt-secret-file"), Detail: path + ": " + err.Error()}}
	}
	return []byte(secrets[0]), nil
}

// Run prints a token.
func (c *tokenCommand) Run(t *terminal) error {
	cfg, err := t.settings(forClient)
	if err != nil {
		return err
	}
	secret, err := signingSecret(cfg)
	if err != nil {
		return err
	}
	claims := claimsOf(cfg)
	claims.User, claims.TTL = notify.UserID(c.User), c.TTL
	if c.Issuer != "" {
		claims.Issuer = c.Issuer
	}
	if c.Audience != "" {
		claims.Audience = c.Audience
	}
	known := []notify.Scope{notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeAdmin, notify.ScopeTopics}
	for _, s := range strings.Fields(strings.Join(c.Scope, " ")) {
		if !slices.Contains(known, notify.Scope(s)) {
			return usagef("--scope: %q is not one of %s, %s, %s, %s", s, known[0], known[1], known[2], known[3])
		}
		claims.Scopes = append(claims.Scopes, notify.Scope(s))
	}
	for _, topic := range strings.Fields(strings.Join(c.Topic, " ")) {
		claims.Topics = append(claims.Topics, notify.TopicPattern(topic))
	}
	token, err := auth.Sign(secret, claims)
	if err != nil {
		return usageError{err.Error()}
	}
	_, err = fmt.Fprintln(t.stdout, token)
	return err
}
