package auth

import "context"

// FileMistakes are what is wrong with the files that Options name, each with
// its lines; nil where nothing is, or no file is named.
type FileMistakes struct{ Secrets, PublicKey, JWKS, Issuers, APIKeys, Webhooks error }

// CheckFiles reads the files that o names, as New would, so that all that is
// wrong with them can be told together with what is wrong elsewhere. It asks no
// URL.
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
