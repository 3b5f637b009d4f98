package cli

import (
	"encoding/json"
	"fmt"
	"time"
)

type revokeCommand struct {
	client

	User   string `arg:"" optional:"" placeholder:"USER" help:"user whose tokens are revoked: all that were issued until now"`
	JTI    string `name:"jti" placeholder:"ID" help:"revoke the one token with this jti instead"`
	Issuer string `placeholder:"ISSUER" help:"with --jti: issuer of the token (default: that of the caller's token, then the only one)"`
}

// Help says what a revocation does.
func (*revokeCommand) Help() string {
	return "The tokens are refused from now on, and connections that they have opened are closed. It cannot be undone. " +
		"The token of the caller needs the scope notify:admin. Example: bellhop revoke ada"
}

// Run revokes tokens.
func (c *revokeCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	revocation := map[string]string{"jti": c.JTI}
	switch {
	case (c.User == "") == (c.JTI == ""):
		return usagef("name a user, or a token with --jti")
	case c.User != "" && c.Issuer != "":
		return usagef("--issuer is for a token that --jti names")
	case c.User != "":
		revocation = map[string]string{"user": c.User, "issued_before": time.Now().UTC().Format(time.RFC3339Nano)}
	case c.Issuer != "":
		revocation["issuer"] = c.Issuer
	}
	body, err := json.Marshal(revocation)
	if err != nil {
		return err
	}
	if _, err := t.request("POST", base+"/revocations", token, body); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.stdout, "revoked")
	return err
}
