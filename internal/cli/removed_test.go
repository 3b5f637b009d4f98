package cli_test

import "testing"

// Pages are read until the limit is reached or there is no next one, also those without notifications.
func TestRemovedNotificationsAreListed(t *testing.T) {
	recalled := `{"notification":{"id":"n2","type":"t","time":"T0","audience":"user"},"state":"recalled","removed_at":"T1","seen_at":"T","read_at":"T"}`
	s := serve(
		t, answer{status: 200, body: `{"items":[` + recalled + `],"next":"c9","searched_to":"T"}`},
		answer{status: 200, body: `{"items":[],"next":"c8","searched_to":"T"}`},
		answer{status: 200, body: `{"items":[{"notification":{"id":"n1","type":"u","title":"Hi\u001b","time":"T0","audience":"user"},"state":"replaced","removed_at":"T1","replaced_by":"n3"}]}`},
		answer{status: 200, body: `{"items":[` + recalled + `],"next":"c9"}`},
	)
	environ := []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}
	bellhop(t, environ, "removed", "a/da").want(t, 0, "T0  n2  read      t: was recalled at T1\nT0  n1  unseen    u, Hi\ufffd: was replaced by n3 at T1\n")
	bellhop(t, environ, "removed", "a/da", "--limit", "1", "--json").want(t, 0, recalled+"\n")
	for _, asked := range s.requests() {
		if asked.path != "GET /users/a/da/removed" {
			t.Errorf("asked %s", asked.path)
		}
	}
	if len(s.requests()) != 4 {
		t.Errorf("asked %d times", len(s.requests()))
	}
	bellhop(t, environ, "removed", "ada", "--limit", "0").want(t, 2, "--limit")
}
