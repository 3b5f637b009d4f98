package cli

import (
	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish"`
}

// Help says how to activate the completion.
func (*completionCommand) Help() string {
	return "Add the line for your shell to its start file:\n\n" +
		"~/.bashrc: source <(bellhop completion bash)\n\n" +
		"~/.zshrc: source <(bellhop completion zsh)\n\n" +
		"~/.config/fish/config.fish: bellhop completion fish | source"
}

// Run prints the script. With it, the shell runs this program to complete a line.
func (c *completionCommand) Run(ctx *kong.Context) error {
	return (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(ctx)
}

// completes reports whether the process was started to complete a line, and then prints the
// completions.
func (t *terminal) completes(parser *kong.Kong) bool {
	if t.getenv("COMP_LINE") == "" {
		return false
	}
	kongcompletion.Register(parser, kongcompletion.WithExitFunc(func(int) {}))
	return true
}
