package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/contract"
)

const targets = `"url":"/issues/42","silent":true,"actions":[{"title":"Reply","url":"/issues/42#reply"},{"title":"Müte","url":"https://example.com/mute?a=b&c"}]`

// hasTargets checks that a notification has the members in targets.
func hasTargets(t *testing.T, data map[string]any) {
	t.Helper()
	got := map[string]any{"url": data["url"], "silent": data["silent"], "actions": data["actions"]}
	text, err := json.Marshal(got)
	require.NoError(t, err)
	assert.JSONEq(t, "{"+targets+"}", string(text))
}

func TestURLActionsAndSilentReachEveryReceiver(t *testing.T) {
	s := start(t)
	ada := s.connectWith(token(t, "ada", notify.ScopePublish), "")
	ada.expect("live")
	draft := func(title, members string) string {
		return `{"to":{"users":["ada"]},"type":"t","title":"` + title + `",` + members + `}`
	}
	require.Equal(t, http.StatusAccepted, s.post("/notify", draft("by HTTP", targets)).StatusCode)
	a := s.post("/notify/batch", `{"notifications":[`+draft("in a batch", targets)+`]}`)
	assert.EqualValues(t, 0, a.json(t)["failed"], "%s", a.body)
	for _, want := range []string{"by HTTP", "in a batch"} {
		f := ada.read()
		assert.Equal(t, want, f.text("title"))
		hasTargets(t, f.Data)
	}
	ada.send(`{"event":"publish","ref":"1","data":` + draft("by socket", targets) + `}`)
	for range 2 { // the reply and the notification, in any order
		if f := ada.read(); f.Event == "notification" {
			hasTargets(t, f.Data)
		}
	}
	require.Equal(t, http.StatusAccepted, s.post("/notify", draft("ephemeral", targets+`,"ephemeral":true`)).StatusCode)
	hasTargets(t, ada.read().Data)

	resumed := s.connect("ada", "earliest")
	for range 3 {
		hasTargets(t, resumed.read().Data)
	}
	page := s.do(http.MethodGet, "/inbox", "", bearer(token(t, "ada"))...)
	items, _ := page.json(t)["items"].([]any)
	require.Len(t, items, 3)
	for _, item := range items {
		hasTargets(t, item.(map[string]any))
	}

	require.Equal(t, http.StatusAccepted, s.post("/notify", draft("without", `"url":null,"actions":null,"silent":false`)).StatusCode)
	f := ada.read()
	for _, member := range []string{"url", "actions", "silent"} {
		assert.NotContains(t, f.Data, member, "absent and false are not sent")
	}
}

func TestURLsThatBrowsersReadOtherwiseAreRefused(t *testing.T) {
	s := start(t)
	ada := s.connectWith(token(t, "ada", notify.ScopePublish), "")
	ada.expect("live")
	var examples []struct{ URL, Fault string }
	text, err := os.ReadFile("../../internal/notify/testdata/urls.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &examples))
	refused := 0
	for _, e := range examples {
		quoted, err := json.Marshal(e.URL)
		require.NoError(t, err)
		a := s.post("/notify", `{"to":{"users":["grace"]},"type":"t","url":`+string(quoted)+`}`)
		if e.Fault == "" {
			assert.Equal(t, http.StatusAccepted, a.StatusCode, "%q: %s", e.URL, a.body)
			continue
		}
		refused++
		assert.Equal(t, []string{"/url"}, pointers(t, a), "%q", e.URL)
	}
	assert.Greater(t, refused, 50)
	assert.Len(t, s.inbox("grace", "?limit=100").Items, len(examples)-refused)

	const hostile = `{"to":{"users":["ada"]},"type":"t","actions":[{"title":"Open","url":"/a"},{"title":"Win","url":"java\tscript:alert(1)"}]}`
	a := s.postIn(contract.Meant(t.Context()), "/notify/batch", `{"notifications":[`+hostile+`]}`)
	assert.Contains(t, string(a.body), `"pointer":"/actions/1/url"`)
	ada.send(`{"event":"publish","ref":"1","data":` + hostile + `}`)
	answer, err := json.Marshal(ada.read().Data)
	require.NoError(t, err)
	assert.Contains(t, string(answer), `"pointer":"/data/actions/1/url"`)
}

func TestActionsAreRefusedWithTheirPosition(t *testing.T) {
	s := start(t)
	action := func(title, target string) string { return `{"title":"` + title + `","url":"` + target + `"}` }
	for members, want := range map[string]string{
		`"actions":[]`: "/actions",
		`"actions":[` + strings.Repeat(action("a", "/")+",", 3) + action("a", "/") + `]`:                    "/actions",
		`"actions":[` + action(strings.Repeat("é", 65), "/") + `]`:                                          "/actions/0/title",
		`"actions":[` + action("a", "/") + `,` + action(" ", "/") + `]`:                                     "/actions/1/title",
		`"actions":[{"title":"a"}]`:                                                                         "/actions/0/url",
		`"actions":[{"url":"/"}]`:                                                                           "/actions/0/title",
		`"actions":[{"title":"a","url":"/","method":"POST"}]`:                                               "/actions/0/method",
		`"actions":[{"title":"a","url":["/"]}]`:                                                             "/actions/0/url",
		`"actions":"/"`:                                                                                     "/actions",
		`"silent":"yes"`:                                                                                    "/silent",
		`"url":"/` + strings.Repeat("a", notify.MaxURLCharacters) + `"`:                                     "/url",
		`"url":"/` + strings.Repeat("é", notify.MaxURLCharacters/len("%C3%A9")+1) + `"`:                     "/url",
		`"actions":[` + action("a", "/") + `],"url":"` + strings.Repeat("/", notify.MaxURLCharacters) + `"`: "/url",
	} {
		a := s.post("/notify", `{"to":{"all":true},"type":"t",`+members+`}`)
		assert.Equal(t, []string{want}, pointers(t, a), members)
	}
	longest := `"url":"/` + strings.Repeat("a", notify.MaxURLCharacters-1) + `"`
	assert.Equal(t, http.StatusAccepted, s.post("/notify", `{"to":{"all":true},"type":"t",`+longest+`}`).StatusCode)
}

// pointers returns the positions of the faults in a refused body.
func pointers(t *testing.T, a response) (all []string) {
	t.Helper()
	assert.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, "%s", a.body)
	faults, _ := a.json(t)["errors"].([]any)
	for _, fault := range faults {
		pointer, _ := fault.(map[string]any)["pointer"].(string)
		all = append(all, pointer)
	}
	return all
}
