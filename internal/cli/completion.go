package cli

import (
	"cmp"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

type completionCommand struct {
	Shell   string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish"`
	Program string `placeholder:"PATH" help:"program that the shell runs to complete a line: a path, or a name that is in PATH (default: this one)"`
}

// Help says how to activate the completion.
func (*completionCommand) Help() string {
	return "Add the line for your shell to its start file:\n\n" +
		"~/.bashrc: source <(bellhop completion bash)\n\n" +
		"~/.zshrc: source <(bellhop completion zsh)\n\n" +
		"~/.config/fish/config.fish: bellhop completion fish | source"
}

// Run prints the script. With it, the shell runs this program, or the one that c names, to
// complete a line.
func (c *completionCommand) Run(t *terminal, ctx *kong.Context) error {
	this, err := os.Executable()
	if err != nil {
		return err
	}
	var script strings.Builder
	ctx.Stdout = &script
	if err := (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(ctx); err != nil {
		return err
	}
	_, err = io.WriteString(t.stdout, strings.ReplaceAll(script.String(), this, cmp.Or(c.Program, this)))
	return err
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
