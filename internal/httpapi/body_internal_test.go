package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
)

// clocked is a response that records its read deadlines, relative to the start.
type clocked struct {
	*httptest.ResponseRecorder
	start     time.Time
	deadlines []time.Duration // in whole seconds; 0: none
}

func (c *clocked) SetReadDeadline(t time.Time) error {
	d := time.Duration(0)
	if !t.IsZero() {
		d = t.Sub(c.start).Truncate(time.Second)
	}
	c.deadlines = append(c.deadlines, d)
	return nil
}

// pieces is a body that arrives in pieces of these sizes, one each second.
type pieces []int

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Second)
	n := min((*p)[0], len(b))
	if (*p)[0] -= n; (*p)[0] == 0 {
		*p = (*p)[1:]
	}
	return n, nil
}

// A body has ten seconds from its first bytes on, and a second more for each 16 KiB that
// have arrived, up to thirty.
func TestABodyMustKeepArriving(t *testing.T) {
	for name, test := range map[string]struct {
		body pieces
		want []time.Duration // from the first bytes on
	}{
		"a drop now and then": {pieces{1, 1, 1}, []time.Duration{10 * time.Second, 10 * time.Second, 10 * time.Second}},
		"16 KiB at a time":    {pieces{1 << 10, 3 << 10, 12 << 10, 16 << 10}, []time.Duration{10 * time.Second, 10 * time.Second, 11 * time.Second, 12 * time.Second}},
		"a megabyte":          {pieces{1 << 10, 3 << 10, 12 << 10, 48 << 10, 192 << 10, 768 << 10}, []time.Duration{10 * time.Second, 10 * time.Second, 11 * time.Second, 14 * time.Second, 26 * time.Second, 30 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &clocked{ResponseRecorder: httptest.NewRecorder(), start: time.Now().Add(time.Second)}
				c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/", http.NoBody), w)
				u := &budget{shares: limit.NewShares(1 << 30)}
				b := body{Reader: &test.body, c: c, length: -1, budget: u}
				read, err := b.read()
				if err != nil || len(read) == 0 || u.shares.Taken() != 0 {
					t.Fatalf("%d bytes, %v, %d are still taken", len(read), err, u.shares.Taken())
				}
				if want := append(test.want, 0); !slices.Equal(w.deadlines, want) {
					t.Errorf("deadlines %v, want %v", w.deadlines, want)
				}
			})
		})
	}
}

// reads is a body that is a function.
type reads func(p []byte) (int, error)

func (f reads) Read(p []byte) (int, error) { return f(p) }

// A body that is preempted while it is read gets no more time, since it has no memory for
// further bytes.
func TestAPreemptedBodyHasNoMoreTime(t *testing.T) {
	w := &clocked{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/", http.NoBody), w)
	u := &budget{shares: limit.NewShares(8 << 10), preempts: true}
	times := 0
	arriving := reads(func(b []byte) (int, error) {
		switch times++; times {
		case 1:
			return len(b), nil
		case 2:
			if err := u.newUpload(c, "").take(8 << 10); err != nil {
				t.Error(err)
			}
			return 1, nil
		default:
			if last := w.deadlines[len(w.deadlines)-1]; last >= 0 {
				t.Errorf("its deadline is in %v", last)
			}
			return 0, os.ErrDeadlineExceeded
		}
	})
	b := body{Reader: arriving, c: c, length: -1, budget: u}
	if read, err := b.read(); !errors.Is(err, errPreempted) || times != 3 {
		t.Errorf("%d bytes, %v, read %d times", len(read), err, times)
	}
}
