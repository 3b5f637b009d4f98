package cli

// admin has the flags of a command that uses the admin listener of a running service.
type admin struct {
	Admin string `placeholder:"URL" help:"address of a node's admin listener (default: the configured one, on this machine)"`

	Config      string `type:"setting" placeholder:"PATH" help:"YAML file of settings"`
	AdminListen string `type:"setting" placeholder:"ADDRESS" help:"address of the admin listener"`
}

// resolve returns the URL of the admin listener, without a slash at its end.
func (a *admin) resolve(t *terminal) (string, error) {
	base := a.Admin
	if base == "" {
		cfg, err := t.settings(forClient)
		if err != nil {
			return "", err
		}
		local := *cfg
		local.Listen, local.BasePath, local.TLSCertFile = cfg.AdminListen, "", ""
		if base, err = localURL(&local); err != nil {
			return "", err
		}
	}
	return baseURL(base)
}
