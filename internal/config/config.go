// Package config holds the settings of the service: what there is to set, what
// it is when nobody sets it, and where a value came from.
//
// A setting has one name in three forms: drain_window in the YAML file,
// BELLHOP_DRAIN_WINDOW in the environment, --drain-window as a flag. The file
// is read first, then the environment, then the flags; the later wins, and an
// empty value is unset. Load reports every mistake at once. What the values
// mean is up to the packages that are given them.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/bellhop/bellhop/internal/text"
)

// Secret is a value that is not shown: printing or logging one gives a
// placeholder. Convert it to use it.
type Secret string

const hidden = text.Hidden

// String returns a placeholder.
func (Secret) String() string { return hidden }

// GoString returns a placeholder.
func (Secret) GoString() string { return hidden }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Config is every setting of the service. Each field with a name tag is one;
// help and group describe it to people, min and oneof bound it, and
// type:"setting" leaves its flag to Load. Those without a flag are kong:"-".
type Config struct {
	File string `name:"config" type:"setting" group:"Settings" placeholder:"PATH" help:"YAML file of settings"`

	Listen         string         `name:"listen" type:"setting" group:"Listeners" placeholder:"ADDRESS" help:"address of the public listener"`
	AdminListen    string         `name:"admin-listen" type:"setting" group:"Listeners" placeholder:"ADDRESS" help:"address of the admin listener, which asks for no token: metrics and profiles"`
	AdminHosts     []string       `name:"admin-hosts" type:"setting" group:"Listeners" placeholder:"HOST,…" help:"hosts in requests that the admin listener answers, besides its own addresses, such as bellhop.internal or bellhop-0:8081"`
	Profiles       string         `name:"profiles" type:"setting" group:"Listeners" placeholder:"on|off" oneof:"on,off" help:"on: serve /debug/pprof/ on the admin listener"`
	BasePath       string         `name:"base-path" type:"setting" group:"Listeners" placeholder:"/PATH" help:"prefix of all public paths, such as /bellhop"`
	AllowedOrigins []string       `name:"allowed-origins" type:"setting" group:"Listeners" placeholder:"ORIGIN,…" help:"origins whose pages and apps may connect, such as https://app.example.com, https://*.example.com, app://., file:// or null; without a list none may"`
	TrustedProxies []netip.Prefix `name:"trusted-proxies" type:"setting" group:"Listeners" placeholder:"CIDR,…" help:"networks of the proxies whose X-Forwarded-For counts, or none"`
	TLSCertFile    string         `name:"tls-cert-file" type:"setting" group:"Listeners" placeholder:"PATH" help:"certificate chain (PEM) for HTTPS and WSS on the public listener; read again when it changes"`
	TLSKeyFile     string         `name:"tls-key-file" type:"setting" group:"Listeners" placeholder:"PATH" help:"private key (PEM) of the certificate; read again when it changes"`
	DrainDelay     time.Duration  `name:"drain-delay" type:"setting" group:"Listeners" placeholder:"SECONDS" max:"86400" help:"seconds for which a stop serves on with /readyz at 503, so that load balancers notice, before it closes connections"`
	DrainWindow    time.Duration  `name:"drain-window" type:"setting" group:"Listeners" placeholder:"SECONDS" max:"86400" help:"seconds over which clients are asked to spread their return when a stop closes their connections"`

	JWTSecret        []Secret `kong:"-" name:"jwt-secret" group:"Tokens" help:"shared secrets of HS tokens, 32 bytes or more each; several, so that they can rotate; the first signs"`
	JWTSecretFile    string   `name:"jwt-secret-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"file of the shared secrets, separated by commas or lines; read again when it changes"`
	JWTPublicKeyFile string   `name:"jwt-public-key-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"public keys or certificates (PEM) that tokens are checked with; read again when it changes"`
	JWKS             string   `name:"jwks" type:"setting" group:"Tokens" placeholder:"PATH|URL" help:"JSON Web Key Set that tokens are checked with: a file, read again when it changes, or a URL"`
	JWTIssuer        string   `name:"jwt-issuer" type:"setting" group:"Tokens" placeholder:"ISSUER" help:"issuer that tokens must name; required with public keys; * accepts any"`
	JWTAudience      string   `name:"jwt-audience" type:"setting" group:"Tokens" placeholder:"AUDIENCE" help:"audience that tokens must name; required with public keys; * accepts any"`
	JWTAlgorithms    []string `name:"jwt-algorithms" type:"setting" group:"Tokens" placeholder:"ALGORITHM,…" help:"signature algorithms that are accepted, such as RS256; empty: those of the keys"`
	JWTClients       []string `name:"jwt-clients" type:"setting" group:"Tokens" placeholder:"CLIENT,…" help:"clients that tokens may have been given to: each of azp, client_id and appid that a token has must be one of these, and one must be there; empty: any"`
	JWTUserClaim     string   `name:"jwt-user-claim" type:"setting" group:"Tokens" placeholder:"CLAIM" help:"claim that is the user: its name, or a JSON pointer such as /realm_access/user"`
	JWTUserPrefix    string   `name:"jwt-user-prefix" type:"setting" group:"Tokens" placeholder:"PREFIX" help:"put before the user claim; required with an issuers file; none: no prefix"`
	JWTScopeClaims   []string `name:"jwt-scope-claims" type:"setting" group:"Tokens" placeholder:"CLAIM,…" help:"claims that scopes are read from, such as scope, scp, permissions, roles, /realm_access/roles"`
	JWTScopePrefix   string   `name:"jwt-scope-prefix" type:"setting" group:"Tokens" placeholder:"PREFIX" help:"removed from scopes; scopes without it are ignored"`
	JWTTopicsClaim   string   `name:"jwt-topics-claim" type:"setting" group:"Tokens" placeholder:"CLAIM" help:"claim that topics are read from"`
	IssuersFile      string   `name:"issuers-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"YAML file of further issuers, each with its own keys, claims and bounds; read again when it changes"`
	APIKeysFile      string   `name:"api-keys-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"YAML file of API keys, as bellhop key new prints them; read again when it changes"`
	WebhooksFile     string   `name:"webhooks-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"YAML file of Standard Webhooks secrets that POST /notify may be signed with; read again when it changes"`

	DataDir   string        `name:"data-dir" type:"setting" group:"Storage" placeholder:"PATH" help:"directory of the store; one process at a time"`
	Retention time.Duration `name:"retention" type:"setting" group:"Storage" placeholder:"SECONDS" min:"1" max:"3153600000" help:"seconds for which notifications are kept"`
	PerUser   int           `name:"notifications-per-user" type:"setting" group:"Storage" placeholder:"N" min:"1" help:"notifications kept per user, the newest"`
	MaxBytes  int64         `name:"store-max-bytes" type:"setting" group:"Storage" placeholder:"BYTES" help:"size of what the store keeps, before compression, above which the oldest notifications go; 0: no limit"`
	MinFree   int64         `name:"min-free-bytes" type:"setting" group:"Storage" placeholder:"BYTES" help:"free disk space below which publishing, marking and tickets are answered 503"`

	TokenBytes         int   `name:"token-bytes" type:"setting" group:"Limits" placeholder:"BYTES" min:"256" help:"largest size of a token"`
	HeadBytes          int   `name:"request-head-bytes" type:"setting" group:"Limits" placeholder:"BYTES" min:"1024" help:"largest size of a request's line and headers together"`
	JSONDepth          int   `name:"json-depth" type:"setting" group:"Limits" placeholder:"N" min:"4" max:"256" help:"how deep JSON in bodies and commands may nest"`
	ConnectionsPerUser int   `name:"connections-per-user" type:"setting" group:"Limits" placeholder:"N" min:"1" help:"open connections of a user; one more takes the place of the oldest"`
	QueueLength        int   `name:"queue-notifications" type:"setting" group:"Limits" placeholder:"N" min:"1" help:"notifications that wait for a slow connection before it is closed"`
	QueueBytes         int64 `name:"queue-bytes" type:"setting" group:"Limits" placeholder:"BYTES" min:"65536" help:"bytes that wait for a slow connection before it is closed"`
	Commands           int   `name:"commands-per-10s" type:"setting" group:"Limits" placeholder:"N" min:"1" help:"commands that a connection may send in ten seconds"`
	Marks              int   `name:"marks-per-10s" type:"setting" group:"Limits" placeholder:"N" help:"notifications that a user may mark in ten seconds; a mark of more is carried out, and the next waits; 0: no limit"`

	Connections           int   `name:"connections" type:"setting" group:"Limits" placeholder:"N" help:"open connections of this process; 0: as many as its limit on open files and half of its memory allow"`
	ConnectionsPerAddress int   `name:"connections-per-address" type:"setting" group:"Limits" placeholder:"N" help:"open connections of an address, an IPv6 /64 being one; needs trusted-proxies, and is 5000 once that is set; 0: no limit"`
	HandshakesPerAddress  int   `name:"handshakes-per-address" type:"setting" group:"Limits" placeholder:"N" help:"connections that an address may try to open in a second; needs trusted-proxies, and is 500 once that is set; 0: no limit"`
	QueuedBytes           int64 `name:"queued-bytes" type:"setting" group:"Limits" placeholder:"BYTES" min:"65536" help:"bytes that wait for all slow connections together, and at most a quarter of the memory; at least queue-bytes"`
	Broadcasts            int   `name:"broadcasts-per-second" type:"setting" group:"Limits" placeholder:"N" help:"notifications to everyone that a principal may publish in a second; 0: no limit"`
	Publishes             int   `name:"publishes-per-second" type:"setting" group:"Limits" placeholder:"N" help:"notifications to users and topics that a principal may publish in a second; 0: no limit"`
	Requests              int   `name:"requests-per-second" type:"setting" group:"Limits" placeholder:"N" help:"requests and socket commands of a user in a second, and twice as many at once, for tokens without notify:publish, notify:broadcast and notify:admin; 0: no limit"`
	BackendRequests       int   `name:"backend-requests-per-second" type:"setting" group:"Limits" placeholder:"N" help:"the same for API keys, webhooks and tokens with one of these scopes; 0: no limit"`

	LogLevel  slog.Level `name:"log-level" type:"setting" group:"Logs" placeholder:"LEVEL" help:"debug, info, warn or error"`
	LogFormat string     `name:"log-format" type:"setting" group:"Logs" placeholder:"FORMAT" oneof:"text,json" help:"text or json"`

	origins map[string]Origin // by name; absent: default
}

// Default returns the settings of a service that nobody has configured.
func Default() *Config {
	return &Config{
		Listen:             ":8080",
		AdminListen:        "127.0.0.1:8081",
		Profiles:           "off",
		DrainWindow:        20 * time.Second,
		JWTUserClaim:       "sub",
		JWTScopeClaims:     []string{"scope", "scp"},
		JWTTopicsClaim:     "topics",
		DataDir:            "./data",
		Retention:          30 * 24 * time.Hour,
		PerUser:            1_000,
		MinFree:            256 << 20,
		TokenBytes:         8 << 10,
		HeadBytes:          16 << 10,
		JSONDepth:          32,
		ConnectionsPerUser: 20,
		QueueLength:        256,
		QueueBytes:         1 << 20,
		Commands:           100,
		Marks:              50_000,
		QueuedBytes:        256 << 20,
		Broadcasts:         100,
		Requests:           100,
		LogLevel:           slog.LevelInfo,
		LogFormat:          "text",
	}
}
