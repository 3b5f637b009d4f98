package cli_test

import (
	"strings"
	"testing"
)

const traced = `{"notification":{"id":"n1","type":"t","title":"Hello\u001b[31m","time":"T0","audience":"user"},"published_by":"key:shop","recipients":2,
	"state":"kept","incomplete":["node-3"],"users":[
	{"user":"ada","state":"kept","delivered_at":"T0.5","seen_at":"T1","read_at":"T2","connections":2,"connected_since":"T3"},
	{"user":"eve","state":"replaced","removed_at":"T4","replaced_by":"n2","connections":0},
	{"user":"joe","state":"evicted","reason":"history-full","removed_at":"T4"},
	{"user":"bob","state":"evicted","reason":"retention","removed_at":"T4","connections":0},
	{"user":"kim","state":"kept","connections":0}]}`

func TestWhyTellsTheStory(t *testing.T) {
	s := serve(t, answer{status: 200, body: traced})
	environ := []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}
	got := bellhop(t, environ, "why", "n/1", "--user", "a&b")
	got.want(t, 0, strings.Join([]string{
		"n1 (t, Hello\ufffd[31m)",
		"published by key:shop to 2 users, put into inboxes at T0",
		"it is kept",
		"ada: is in the inbox; delivered to a device at T0.5; seen at T1; read at T2; open connections: 2, since T3",
		"eve: was replaced by n2 at T4; no connection is open",
		"joe: was removed because the history was full at T4; connections are not known",
		"bob: was removed by retention at T4; no connection is open",
		"kim: is in the inbox; not seen; no connection is open",
		"connections are incomplete: no answer from node-3",
	}, "\n")+"\n")
	if asked := s.requests()[0]; asked.path != "GET /notifications/n/1" || asked.authorization != "Bearer t" {
		t.Errorf("asked %+v", asked)
	}
	bellhop(t, environ, "why", "n1", "--json").want(t, 0, `"published_by":"key:shop"`)
}

func TestWhyOfTopicsDeferredAndRecalled(t *testing.T) {
	for body, want := range map[string]string{
		`{"notification":{"id":"n1","time":"T0","audience":"topic"},"published_by":"user:ops","topics":["a","b"],"state":"recalled","removed_at":"T4","users":[]}`: "n1\n" +
			"published by user:ops to the topics a, b, put into inboxes at T0\nit was recalled at T4\nusers are not listed; ask for one with --user\n",
		`{"notification":{"id":"n1","type":"t","time":"T5","audience":"all"},"state":"deferred","deliver_at":"T5","users":[
			{"user":"ada","state":"muted","reason":"except","connections":0}]}`: "n1 (t)\n" +
			"published by an unknown principal to everyone, due at T5\nit is not delivered yet\n" +
			"ada: is not shown: its publisher left the user out; no connection is open\n",
		`{"notification":{"id":"n1","time":"T0","audience":"user"},"published_by":"p","recipients":4,"state":"kept","users":[
			{"user":"a","state":"muted","reason":"preferences","rule":{"number":2,"type":"t.*","topic":"x","level":"off"},"connections":0},
			{"user":"b","state":"muted","reason":"preferences","rule":{"number":1,"level":"off"},"connections":0},
			{"user":"c","state":"kept","seen_at":"T1","rule":{"number":1,"topic":"x","level":"silent"},"connections":0},
			{"user":"d","state":"deferred","rule":{"number":9,"type":"t","level":"off"},"connections":0}]}`: "n1\n" +
			"published by p to 4 users, put into inboxes at T0\nit is kept\n" +
			"a: is not shown: the user's preferences mute it; rule 2 applies: off for the type t.* and the topic x; no connection is open\n" +
			"b: is not shown: the user's preferences mute it; rule 1 applies: off for all notifications; no connection is open\n" +
			"c: is in the inbox; rule 1 applies: silent for the topic x; seen at T1; no connection is open\n" +
			"d: is not delivered yet; rule 9 applies: off for the type t; no connection is open\n",
		`{"notification":{"id":"n1","type":"t","time":"T0","audience":"topic"},"published_by":"p","topics":["x","y"],"state":"kept","users":[
			{"user":"a","state":"kept","member_of":["x","y"],"connections":0},
			{"user":"b","state":"kept","member_of":[],"connections":0},
			{"user":"c","state":"kept","member_of":[],"seen_at":"T1","connections":0},
			{"user":"d","state":"deferred","member_of":[],"connections":0},
			{"user":"f","state":"deferred","member_of":["y"],"connections":0},
			{"user":"e","state":"recalled","removed_at":"T4","connections":0}]}`: "n1 (t)\n" +
			"published by p to the topics x, y, put into inboxes at T0\nit is kept\n" +
			"a: is in the inbox; a member of x, y when it was published; not seen; no connection is open\n" +
			"b: is in the inbox only with a token that names one of the topics; a member of none of them when it was published; not seen; no connection is open\n" +
			"c: is in the inbox; a member of none of the topics when it was published, but a token has named one; seen at T1; no connection is open\n" +
			"d: is not delivered yet; a member of none of the topics now; no connection is open\n" +
			"f: is not delivered yet; a member of y now; no connection is open\n" +
			"e: was recalled at T4; it is not known whether the user was a member; no connection is open\n",
		`{"notification":{"id":"n1","time":"T0","audience":"all"},"published_by":"p","state":"recalled","removed_at":"T4","users":[
			{"user":"a","state":"recalled","removed_at":"T4","connections":0}]}`: "n1\n" +
			"published by p to everyone, put into inboxes at T0\nit was recalled at T4\n" +
			"a: was recalled at T4; no connection is open; when it was delivered to this user is not kept after it was removed\n",
		`{"notification":{"id":"n1","time":"T4","audience":"user"},"published_by":"p","recipients":1,"state":"recalled","removed_at":"T4","users":[
			{"user":"a","state":"recalled","removed_at":"T4","connections":0}]}`: "n1\n" +
			"published by p to 1 user\nit was recalled at T4\na: was recalled at T4; no connection is open\n",
		`{"notification":{"id":"n1","time":"T0","audience":"user"},"published_by":"p","recipients":1,"state":"expired","removed_at":"T4","users":[]}`: "n1\n" +
			"published by p to 1 user, put into inboxes at T0\nit has expired at T4\n",
	} {
		s := serve(t, answer{status: 200, body: body})
		bellhop(t, []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}, "why", "n1").want(t, 0, want)
	}
	s := serve(t, answer{status: 404, body: `{"type":"urn:bellhop:problem:not-found","detail":"unknown"}`})
	bellhop(t, []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}, "why", "n1").want(t, 1, "404 not-found: unknown")
}

func TestInboxIsListedOverPages(t *testing.T) {
	item := func(id, state string) string {
		return `{"id":"` + id + `","time":"T0","type":"t","title":"` + id + `!"` + state + `,"cursor":"c"}`
	}
	s := serve(
		t, answer{status: 200, body: `{"items":[` + item("n3", "") + `,` + item("n2", `,"seen_at":"T"`) + `],"unread_count":9,"unseen_count":9,"next":"c9"}`},
		answer{status: 200, body: `{"items":[` + item("n1", `,"seen_at":"T","read_at":"T"`) + `,` + item("n0", `,"archived_at":"T"`) + `],"unread_count":2,"unseen_count":1,"cursor":"c"}`},
	)
	environ := []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}
	bellhop(t, environ, "inbox", "--user", "grace", "--state", "all").want(
		t, 0,
		"T0  n3  new       t  n3!\nT0  n2  seen      t  n2!\nT0  n1  read      t  n1!\nT0  n0  archived  t  n0!\n", "2 unread, 1 unseen",
	)
	for _, asked := range s.requests() {
		if asked.path != "GET /users/grace/inbox" {
			t.Errorf("asked %s", asked.path)
		}
	}
	bellhop(t, environ, "inbox", "--json", "--limit", "1").want(t, 0, item("n1", `,"seen_at":"T","read_at":"T"`)+"\n")
	bellhop(t, environ, "inbox", "--limit", "0").want(t, 2, "--limit")
	bellhop(t, environ, "inbox", "--state", "new").want(t, 2, "--state")
}

func TestReadMarksNotifications(t *testing.T) {
	s := serve(t, answer{status: 200, body: `{"unread_count":3,"unseen_count":1}`})
	environ := []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}
	bellhop(t, environ, "read", "n1", "n2").want(t, 0, "3 unread, 1 unseen")
	bellhop(t, environ, "read", "--all").want(t, 0, "3 unread, 1 unseen")
	got := s.requests()
	if got[0].path != "POST /inbox/read" || got[0].body != `{"ids":["n1","n2"]}` || got[1].body != `{"all":true}` || got[1].contentType != "application/json" {
		t.Errorf("asked %+v", got)
	}
	bellhop(t, environ, "read").want(t, 2, "--all")
	bellhop(t, environ, "read", "n1", "--all").want(t, 2, "--all")
}
