package traffic

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// The table of a page is between these lines.
const (
	begins = "<!-- faults -->\n"
	ends   = "<!-- end of faults -->"
)

// WriteTable replaces the text between the markers of a page.
func WriteTable(page, text string) error {
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(b), begins)
	_, tail, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no markers for the table", page)
	}
	return os.WriteFile(page, []byte(head+begins+"\n"+text+"\n"+ends+tail), 0o644)
}

// Machine describes where a table was measured: cores, processor, and version of Go.
func Machine() string {
	processor := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo") // does not exist everywhere
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			processor = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%d cores (%s), %s", runtime.NumCPU(), processor, runtime.Version())
}

// Commit returns the commit whose files are tested, and says so if some of them have changed since.
// The pages with the tables do not count: a run writes them.
func Commit() string {
	commit, err := exec.Command("git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return "unknown commit"
	}
	changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)test/*/README.md").Output()
	text := "commit " + strings.TrimSpace(string(commit))
	if err != nil || len(changed) > 0 {
		text += " with changes"
	}
	return text
}
