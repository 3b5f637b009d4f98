package cli_test

import (
	"slices"
	"testing"
)

// Each command about members makes the request that the API documents, and prints its answer.
func TestTopics(t *testing.T) {
	s := serve(t,
		answer{status: 200, body: `{"topics":["news","pro\u001bject.7"]}`},
		answer{status: 200, body: `{"added":2,"removed":1}`},
		answer{status: 200, body: `{"members":["ada"],"next":"ada"}`},
		answer{status: 200, body: `{"members":["grace"]}`},
		answer{status: 200, body: `{"added":1,"removed":0}`},
		answer{status: 422, body: `{"type":"urn:bellhop:problem:invalid","detail":"d","errors":[{"pointer":"/remove/0","detail":"must not be empty"}]}`},
	)
	run := func(args ...string) result {
		return bellhop(t, []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}, append([]string{"topics"}, args...)...)
	}
	run("of", "a/b").want(t, 0, "news\n", "pro\ufffdject.7\n")
	run("set", "ada", "news", "team").want(t, 0, "2 added, 1 removed")
	run("members", "news").want(t, 0, "ada\ngrace\n")
	run("add", "news", "ada").want(t, 0, "1 added, 0 removed")
	run("remove", "news", "").want(t, 1, "422 invalid: d", "/remove/0 must not be empty")
	var got []string
	for _, r := range s.requests() {
		got = append(got, r.path+" "+r.body)
	}
	want := []string{
		"GET /users/a/b/topics ", `PUT /users/ada/topics {"topics":["news","team"]}`,
		"GET /topics/news/members ", "GET /topics/news/members ",
		`POST /topics/news/members {"add":["ada"]}`, `POST /topics/news/members {"remove":[""]}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	run("add", "news").want(t, 2, "expected \"<user> ...\"")
}

// A shell starts the program with the line that it completes.
func TestCompletion(t *testing.T) {
	for shell, part := range map[string]string{"bash": "complete -o default", "zsh": "bashcompinit", "fish": "commandline -cp"} {
		bellhop(t, nil, "completion", shell).want(t, 0, part, "bellhop")
	}
	bellhop(t, nil, "completion", "tcsh").want(t, 2, `"bash","zsh","fish"`)
	for line, want := range map[string]string{"bellhop topics mem": "members\n", "bellhop send --coll": "--collapse-key\n"} {
		t.Setenv("COMP_LINE", line)
		if got := bellhop(t, []string{"COMP_LINE=" + line}); got.code != 0 || got.stdout != want {
			t.Errorf("%q is completed to %+v, want %q", line, got, want)
		}
	}
}
