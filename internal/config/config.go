// Package config holds the settings of the service, with their defaults, their effective
// values and the origins of those.
//
// A setting has one name in three forms: drain_window in the YAML file,
// BELLHOP_DRAIN_WINDOW in the environment, --drain-window as a flag. The file is read
// first, then the environment, then the flags; a later value replaces an earlier one,
// and an empty value is unset. Load reports all mistakes together. The packages that use
// a value check what only they know, such as the form of an origin.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/bellhop/bellhop/internal/text"
)

// Secret is a value that is never shown: printing or logging it gives a placeholder. A
// conversion to string returns the value.
type Secret string

const hidden = text.Hidden

// String returns a placeholder.
func (Secret) String() string { return hidden }

// GoString returns a placeholder.
func (Secret) GoString() string { return hidden }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Config has all settings of the service. A field with a name tag is a setting; help and
// group describe it to people, min, max and oneof restrict it, and unit:"bytes" allows units of
// sizes, as durations have units of time. A setting with reload:"yes" can change without a
// restart: package app must apply it. Kong passes the flags with type:"setting" to Load unread; a
// setting without a flag has kong:"-".
type Config struct {
	File string `name:"config" type:"setting" group:"Settings" placeholder:"PATH" help:"path of the YAML file of settings"`

	Listen         string         `name:"listen" type:"setting" group:"Listeners" placeholder:"ADDRESS" help:"address of the public listener"`
	AdminListen    string         `name:"admin-listen" type:"setting" group:"Listeners" placeholder:"ADDRESS" help:"address of the admin listener, which serves metrics and profiles without a token"`
	AdminHosts     []string       `name:"admin-hosts" type:"setting" group:"Listeners" placeholder:"HOST,…" help:"additional values of the Host header that the admin listener accepts, such as bellhop.internal or bellhop-0:8081"`
	Profiles       string         `name:"profiles" type:"setting" group:"Listeners" placeholder:"on|off" oneof:"on,off" help:"on: serve /debug/pprof/ on the admin listener"`
	Backups        string         `name:"backups" type:"setting" group:"Listeners" placeholder:"local|on|off" oneof:"local,on,off" help:"who may have GET /backup on the admin listener; local: requests from this machine; on: all requests; off: nobody"`
	Console        string         `name:"console" type:"setting" group:"Listeners" placeholder:"local|on|off" oneof:"local,on,off" help:"who may use /console on the admin listener; local: requests from this machine, and all with a token or an API key that has the scope notify:admin; on: only requests with such a token or key; off: nobody"`
	BasePath       string         `name:"base-path" type:"setting" group:"Listeners" placeholder:"/PATH" help:"prefix of all public paths, such as /bellhop"`
	AllowedOrigins []string       `name:"allowed-origins" reload:"yes" type:"setting" group:"Listeners" placeholder:"ORIGIN,…" help:"origins of pages and apps that may connect, such as https://app.example.com, https://*.example.com, app://., file:// or null; empty: none"`
	TrustedProxies []netip.Prefix `name:"trusted-proxies" type:"setting" group:"Listeners" placeholder:"CIDR,…" help:"networks of the proxies whose X-Forwarded-For header is used, or none if there are no proxies"`
	TLSCertFile    string         `name:"tls-cert-file" type:"setting" group:"Listeners" placeholder:"PATH" help:"certificate chain (PEM) for HTTPS and WSS on the public listener; read again when it changes"`
	TLSKeyFile     string         `name:"tls-key-file" type:"setting" group:"Listeners" placeholder:"PATH" help:"private key (PEM) of the certificate; read again when it changes"`
	DrainDelay     time.Duration  `name:"drain-delay" type:"setting" group:"Listeners" placeholder:"DURATION" max:"86400" help:"time between the stop signal and closing the connections: /readyz is 503 meanwhile, so that load balancers notice"`
	DrainWindow    time.Duration  `name:"drain-window" type:"setting" group:"Listeners" placeholder:"DURATION" max:"86400" help:"time over which clients are asked to spread their reconnects after a stop"`

	JWTSecret        []Secret `kong:"-" name:"jwt-secret" reload:"yes" group:"Tokens" help:"shared secrets that verify HS256, HS384 and HS512 tokens, at least 32 bytes each; several allow rotation; the first signs"`
	JWTSecretFile    string   `name:"jwt-secret-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"file of the shared secrets, separated by commas or line breaks; read again when it changes"`
	JWTPublicKeyFile string   `name:"jwt-public-key-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"public keys or certificates (PEM) that verify tokens; read again when it changes"`
	JWKS             string   `name:"jwks" type:"setting" group:"Tokens" placeholder:"PATH|URL" help:"JSON Web Key Set that verifies tokens: a file, read again when it changes, or a URL"`
	JWTIssuer        string   `name:"jwt-issuer" type:"setting" group:"Tokens" placeholder:"ISSUER" help:"issuer (iss) that tokens must have; required with public keys; * accepts any"`
	JWTAudience      string   `name:"jwt-audience" type:"setting" group:"Tokens" placeholder:"AUDIENCE" help:"audience (aud) that tokens must have; required with public keys; * accepts any"`
	JWTAlgorithms    []string `name:"jwt-algorithms" type:"setting" group:"Tokens" placeholder:"ALGORITHM,…" help:"accepted signature algorithms, such as RS256; empty: all that fit the keys"`
	JWTClients       []string `name:"jwt-clients" type:"setting" group:"Tokens" placeholder:"CLIENT,…" help:"clients that tokens may be issued to: a token must have at least one of the claims azp, client_id and appid, and each of them must be in this list; empty: any"`
	JWTUserClaim     string   `name:"jwt-user-claim" type:"setting" group:"Tokens" placeholder:"CLAIM" help:"claim with the user: a name, or a JSON pointer such as /realm_access/user"`
	JWTUserPrefix    string   `name:"jwt-user-prefix" type:"setting" group:"Tokens" placeholder:"PREFIX" help:"prefix that is added to the user claim; required with an issuers file; none: no prefix"`
	JWTScopeClaims   []string `name:"jwt-scope-claims" type:"setting" group:"Tokens" placeholder:"CLAIM,…" help:"claims with scopes, such as scope, scp, permissions, roles, /realm_access/roles"`
	JWTScopePrefix   string   `name:"jwt-scope-prefix" type:"setting" group:"Tokens" placeholder:"PREFIX" help:"prefix that is removed from scopes; scopes without it are ignored"`
	JWTTopicsClaim   string   `name:"jwt-topics-claim" type:"setting" group:"Tokens" placeholder:"CLAIM" help:"claim with topics"`
	IssuersFile      string   `name:"issuers-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"YAML file of additional issuers, each with its own keys, claims and restrictions; read again when it changes"`
	APIKeysFile      string   `name:"api-keys-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"YAML file of API keys, which bellhop key new and key remove change; read again when it changes"`
	WebhooksFile     string   `name:"webhooks-file" type:"setting" group:"Tokens" placeholder:"PATH" help:"YAML file of Standard Webhooks secrets that sign POST /notify; read again when it changes"`

	DataDir   string        `name:"data-dir" type:"setting" group:"Storage" placeholder:"PATH" help:"directory of the store; one process at a time may use it"`
	Retention time.Duration `name:"retention" type:"setting" group:"Storage" placeholder:"DURATION" min:"1" max:"3153600000" help:"time after which notifications are removed"`
	PerUser   int           `name:"notifications-per-user" type:"setting" group:"Storage" placeholder:"N" min:"1" help:"maximum number of notifications per user, and per topic; the oldest are removed. A device that was away receives changes, such as marks, of at most as many notifications, and otherwise a reset"`
	MaxBytes  int64         `name:"store-max-bytes" type:"setting" group:"Storage" unit:"bytes" placeholder:"SIZE" help:"maximum size of the store before compression; the oldest notifications are removed; 0: no limit"`
	MinFree   int64         `name:"min-free-bytes" type:"setting" group:"Storage" unit:"bytes" placeholder:"SIZE" help:"minimum free disk space; below it, publishing, marking and tickets are answered with 503"`
	MaxRules  int           `name:"max-rules" type:"setting" group:"Storage" placeholder:"N" help:"latest version of the rules of the store that is used; an earlier version of bellhop cannot open a store with later rules than its own; 0: the latest"`

	NATSURL             []string `name:"nats-url" type:"setting" group:"Cluster" placeholder:"URL,…" help:"URLs of the NATS servers, such as nats://nats-1:4222,nats://nats-2:4222; set: this node is part of a cluster, and the data directory has a copy of the cluster's state"`
	NATSCredentialsFile string   `name:"nats-credentials-file" type:"setting" group:"Cluster" placeholder:"PATH" help:"credentials of the NATS user: a .creds file, or the seed of an nkey"`
	NATSCAFile          string   `name:"nats-ca-file" type:"setting" group:"Cluster" placeholder:"PATH" help:"certificates (PEM) of the CA that signed those of the NATS servers; empty: those of the system"`
	NATSStream          string   `name:"nats-stream" type:"setting" group:"Cluster" placeholder:"NAME" help:"name of the JetStream stream; all nodes with the same stream are one cluster"`
	NATSMonitor         []string `name:"nats-monitor" type:"setting" group:"Cluster" placeholder:"URL,…" help:"monitoring URLs of the NATS servers, such as http://nats-1:8222; set: this node is not ready while a server lacks sync_interval: always"`
	Replicas            int      `name:"replicas" type:"setting" group:"Cluster" placeholder:"N" min:"1" max:"5" help:"number of replicas of the stream: 3 or 5; 1 only with BELLHOP_UNSAFE_REPLICAS"`
	UnsafeReplicas      string   `name:"unsafe-replicas" type:"setting" group:"Cluster" placeholder:"true|false" oneof:"true,false" help:"true: allow a stream with one replica, which is lost with its server"`
	Node                string   `name:"node" type:"setting" group:"Cluster" placeholder:"NAME" help:"name of this node, which no other node has; empty: the host name"`

	TokenBytes         int   `name:"token-bytes" reload:"yes" type:"setting" group:"Limits" unit:"bytes" placeholder:"SIZE" min:"256" help:"maximum size of a token"`
	HeadBytes          int   `name:"request-head-bytes" type:"setting" group:"Limits" unit:"bytes" placeholder:"SIZE" min:"1024" help:"maximum size of the request line and headers together"`
	JSONDepth          int   `name:"json-depth" reload:"yes" type:"setting" group:"Limits" placeholder:"N" min:"4" max:"256" help:"maximum depth of nested JSON in bodies and commands"`
	ConnectionsPerUser int   `name:"connections-per-user" reload:"yes" type:"setting" group:"Limits" placeholder:"N" min:"1" help:"maximum number of open connections of a user; a new one closes the oldest"`
	QueueLength        int   `name:"queue-notifications" reload:"yes" type:"setting" group:"Limits" placeholder:"N" min:"1" help:"maximum number of notifications in the send queue of a connection; a connection that exceeds it is closed"`
	QueueBytes         int64 `name:"queue-bytes" reload:"yes" type:"setting" group:"Limits" unit:"bytes" placeholder:"SIZE" min:"65536" help:"maximum size of the send queue of a connection; a connection that exceeds it is closed"`
	Commands           int   `name:"commands-per-10s" reload:"yes" type:"setting" group:"Limits" placeholder:"N" min:"1" help:"maximum number of commands of a connection in 10 seconds"`
	Marks              int   `name:"marks-per-10s" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"maximum number of notifications that a user marks in 10 seconds; a mark that exceeds it is still carried out, and delays the next one; 0: no limit"`

	Connections           int   `name:"connections" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"maximum number of open connections; 0: as many as the limit on open files and half of the memory allow"`
	ConnectionsPerAddress int   `name:"connections-per-address" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"maximum number of open connections of an address, or of an IPv6 /64 network; requires BELLHOP_TRUSTED_PROXIES, with which the default is 5000; 0: no limit"`
	HandshakesPerAddress  int   `name:"handshakes-per-address" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"maximum number of connection attempts of an address in 1 second; requires BELLHOP_TRUSTED_PROXIES, with which the default is 500; 0: no limit"`
	QueuedBytes           int64 `name:"queued-bytes" reload:"yes" type:"setting" group:"Limits" unit:"bytes" placeholder:"SIZE" min:"65536" help:"total size of the send queues of all connections; capped at 25 % of the memory; at least BELLHOP_QUEUE_BYTES"`
	Broadcasts            int   `name:"broadcasts-per-second" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"maximum number of notifications to everyone that a principal publishes in 1 second; 0: no limit"`
	Publishes             int   `name:"publishes-per-second" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"maximum number of notifications to users and topics that a principal publishes in 1 second; 0: no limit"`
	Requests              int   `name:"requests-per-second" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"maximum number of requests and socket commands of a user in 1 second, with bursts of twice as many; for tokens without notify:publish, notify:broadcast, notify:topics and notify:admin; 0: no limit"`
	BackendRequests       int   `name:"backend-requests-per-second" reload:"yes" type:"setting" group:"Limits" placeholder:"N" help:"the same limit for API keys, webhooks and tokens with one of these scopes; 0: no limit"`

	LogLevel  slog.Level `name:"log-level" reload:"yes" type:"setting" group:"Logs" placeholder:"LEVEL" help:"minimum level of log lines: debug, info, warn or error"`
	LogFormat string     `name:"log-format" type:"setting" group:"Logs" placeholder:"FORMAT" oneof:"auto,text,json" help:"format of log lines: text or json; auto: text on a terminal, JSON elsewhere"`

	TracesURL   string `name:"traces-url" type:"setting" group:"Traces" placeholder:"URL" help:"URL of an OpenTelemetry collector that receives traces with OTLP over HTTP, such as http://127.0.0.1:4318; empty: nothing is traced"`
	TracesEvery int    `name:"traces-every" type:"setting" group:"Traces" placeholder:"N" min:"1" help:"one of N requests is traced; a request with a traceparent header is traced if the header has the flag sampled"`

	origins map[string]Origin // by name; absent: default
}

// Default returns the default settings.
func Default() *Config {
	return &Config{
		Listen:             ":8080",
		AdminListen:        "127.0.0.1:8081",
		Profiles:           "off",
		Backups:            "local",
		Console:            "local",
		DrainWindow:        20 * time.Second,
		JWTUserClaim:       "sub",
		JWTScopeClaims:     []string{"scope", "scp"},
		JWTTopicsClaim:     "topics",
		DataDir:            "./data",
		Retention:          30 * 24 * time.Hour,
		PerUser:            1_000,
		MinFree:            256 << 20,
		NATSStream:         "BELLHOP",
		Replicas:           3,
		UnsafeReplicas:     "false",
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
		TracesEvery:        100,
		LogLevel:           slog.LevelInfo,
		LogFormat:          "auto",
	}
}
