package cli_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestExportIsWrittenWhenItIsComplete(t *testing.T) {
	const complete = `{"kind":"user","user":"ada"}` + "\n" + `{"kind":"topic","topic":"t"}` + "\n" + `{"kind":"end","lines":2}` + "\n"
	s := serve(t, answer{status: 200, body: complete})
	environ := []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}
	file := filepath.Join(t.TempDir(), "ada.ndjson")
	bellhop(t, environ, "export", "a b", "--to", file).want(t, 0, "3 lines")
	if got, err := os.ReadFile(file); err != nil || string(got) != complete {
		t.Errorf("%s %v", got, err)
	}
	if got := s.requests()[0]; got.path != "GET /users/a b/export" || got.authorization != "Bearer t" {
		t.Errorf("asked %+v", got)
	}
	bellhop(t, environ, "export", "ada", "--to", file).want(t, 1, "--force")
	bellhop(t, environ, "export", "ada", "--to", "-").want(t, 0, complete)
	bellhop(t, environ, "export", "ada").want(t, 2, "--to")

	for _, body := range []string{"", `{"kind":"user"}` + "\n", `{"kind":"user"}` + "\n" + `{"kind":"end","lines":2}` + "\n", "{"} {
		s := serve(t, answer{status: 200, body: body})
		file := filepath.Join(t.TempDir(), "ada.ndjson")
		if got := bellhop(t, []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}, "export", "ada", "--to", file); got.code != 1 {
			t.Errorf("%q: %+v", body, got)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%q: the file exists", body)
		}
	}
	refused := serve(t, answer{status: 403, body: `{"type":"urn:bellhop:problem:scope","detail":"no"}`})
	bellhop(t, []string{"BELLHOP_URL=" + refused.URL, "BELLHOP_TOKEN=t"}, "export", "ada", "--to", "-").want(t, 1, "403 scope: no")
}

func TestEraseNeedsAConfirmation(t *testing.T) {
	s := serve(t, answer{status: 204})
	environ := []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}
	bellhop(t, environ, "erase", "a/b").want(t, 2, "--yes")
	if len(s.requests()) > 0 {
		t.Error("it was erased")
	}
	bellhop(t, environ, "erase", "a/b", "--yes").want(t, 0, "erased", "run bellhop cluster checkpoint twice")
	if got := s.requests()[0]; got.path != "DELETE /users/a/b" {
		t.Errorf("asked %+v", got)
	}
	refused := serve(t, answer{status: 503, body: `{"type":"urn:bellhop:problem:outcome-unknown","detail":"a retry continues it"}`})
	bellhop(t, []string{"BELLHOP_URL=" + refused.URL, "BELLHOP_TOKEN=t"}, "erase", "ada", "--yes").want(t, 1, "a retry continues it")
}
