package hub

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestACompactPrincipalExpandsToItself(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, p := range []notify.Principal{
		{},
		{User: "ada", Name: "user:ada", Scopes: []notify.Scope{notify.ScopeAdmin}, TokenID: "t"},
		{User: "ada", Topics: []notify.TopicPattern{"news", "project.*"}},
		{User: "ada", Issuer: &notify.Issuer{Name: "one"}, TopicsIgnored: 1},
		{Since: at, Expires: at.Add(time.Hour), Issued: at.Add(-time.Hour)},
	} {
		h := compact(p)
		if got := h.expand(); !reflect.DeepEqual(got, p) {
			t.Errorf("%+v became %+v", p, got)
		}
	}
}

// A token may have any number as a time: one beyond the range becomes the nearest end of
// it.
func TestMomentsOutOfReach(t *testing.T) {
	for at, want := range map[time.Time]moment{
		time.Unix(math.MaxInt64/4, 0):  math.MaxInt64,
		time.Unix(-math.MaxInt64/4, 0): math.MinInt64,
		time.Unix(0, 0):                1,
		time.Unix(-1, 0):               -1e9,
		{}:                             0,
	} {
		if got := momentOf(at); got != want {
			t.Errorf("%v is %d, want %d", at, got, want)
		}
	}
}
