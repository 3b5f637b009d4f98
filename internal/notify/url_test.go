package notify_test

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/notify"
)

// An example is a URL with the host that browsers read in it, empty for a path, or with a part
// of the fault that refuses it.
type example struct{ URL, Host, Fault string }

func examples(t testing.TB) (all []example) {
	t.Helper()
	text, err := os.ReadFile("testdata/urls.json")
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// faultOf returns the fault of a URL, empty if it is allowed.
func faultOf(t testing.TB, target string) string {
	t.Helper()
	d := notify.Draft{All: true, Type: "t", Priority: notify.PriorityNormal, Actions: []notify.Action{{"Open", target}}}
	faults := d.Check(now, retention)
	if len(faults) == 0 {
		return ""
	}
	if len(faults) > 1 || faults[0].Pointer != "/actions/0/url" || faults[0].Detail == "" {
		t.Fatalf("%q has the faults %+v", target, faults)
	}
	return faults[0].Detail
}

func TestURLs(t *testing.T) {
	for _, e := range examples(t) {
		fault := faultOf(t, e.URL)
		if (fault == "") != (e.Fault == "") || !strings.Contains(fault, e.Fault) {
			t.Errorf("%q has the fault %q, want %q", e.URL, fault, e.Fault)
		}
		if fault != "" {
			continue
		}
		u, err := url.Parse(e.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := browserHost(u); got != e.Host {
			t.Errorf("%q has the host %q, want %q", e.URL, got, e.Host)
		}
	}
}

// browserHost returns the host of u in the form of browsers.
func browserHost(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		host = "[" + addr.String() + "]"
	}
	number, err := strconv.Atoi(u.Port())
	if err != nil || u.Scheme == "http" && number == 80 || u.Scheme == "https" && number == 443 {
		return host
	}
	return host + ":" + strconv.Itoa(number)
}

func TestCheckURLs(t *testing.T) {
	action := notify.Action{Title: "Open", URL: "/a"}
	actions := func(all ...notify.Action) func(*notify.Draft) {
		return func(d *notify.Draft) { d.Actions = all }
	}
	to := func(target string) func(*notify.Draft) { return func(d *notify.Draft) { d.URL = target } }
	long := "/" + strings.Repeat("a", notify.MaxURLCharacters-1)
	encoded := "/a" + strings.Repeat("日", (notify.MaxURLCharacters-2)/len("%E6%97%A5")) // 2,045 characters
	for name, c := range map[string]struct {
		change func(*notify.Draft)
		want   []string
	}{
		"a path":                  {to("/a"), nil},
		"a URL":                   {to("https://example.com/"), nil},
		"another scheme":          {to("javascript:alert(1)"), []string{"/url"}},
		"the longest":             {to(long), nil},
		"too long":                {to(long + "a"), []string{"/url"}},
		"the longest, encoded":    {to(encoded + "aaa"), nil},
		"too long, encoded":       {to(encoded + "é"), []string{"/url"}},
		"bytes that are not text": {to("/\xff"), []string{"/url"}},
		"three actions":           {actions(action, action, action), nil},
		"four actions":            {actions(action, action, action, action), []string{"/actions"}},
		"no action":               {func(d *notify.Draft) { d.Actions = []notify.Action{} }, []string{"/actions"}},
		"the longest title":       {actions(notify.Action{strings.Repeat("ä", notify.MaxActionCharacters), "/"}), nil},
		"a title too long":        {actions(action, notify.Action{strings.Repeat("a", notify.MaxActionCharacters+1), "/"}), []string{"/actions/1/title"}},
		"an empty title":          {actions(notify.Action{"", "/"}), []string{"/actions/0/title"}},
		"a blank title":           {actions(notify.Action{" \u00a0\t", "/"}), []string{"/actions/0/title"}},
		"everything wrong":        {actions(action, action, notify.Action{}), []string{"/actions/2/title", "/actions/2/url"}},
	} {
		if got := pointers(c.change); !slices.Equal(got, c.want) {
			t.Errorf("%s: faults at %q, want %q", name, got, c.want)
		}
	}
}

// FuzzURL checks that a URL that is allowed has the form that browsers and Go read alike.
func FuzzURL(f *testing.F) {
	for _, e := range examples(f) {
		f.Add(e.URL)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if faultOf(t, target) != "" {
			return
		}
		u, err := url.Parse(target)
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.ContainsAny(target, "\\\"<> \t\r\n") || len(target) > notify.MaxURLCharacters:
			t.Fatalf("%q is accepted", target)
		case strings.HasPrefix(target, "/"):
			page, _ := url.Parse("https://app.example/a/b")
			if to := page.ResolveReference(u); to.Host != page.Host || to.Scheme != page.Scheme || strings.HasPrefix(to.EscapedPath(), "//") {
				t.Fatalf("%q leads to %v", target, to)
			}
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Opaque != "":
			t.Fatalf("%q is accepted", target)
		}
	})
}
