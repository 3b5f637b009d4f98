//go:build linux

package soak

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Acknowledged notifications are compared with those that arrived: number 0 is repeated with another ID, 2 is lost,
// and 3 comes after 4.
func TestCompareFindsEachFault(t *testing.T) {
	u := newUser(&run{}, 0)
	u.expect("own", 5)
	for id, title := range []string{"0", "1", "0", "4", "3"} {
		u.handle("notification", "", []byte(`{"id":"`+string(rune('a'+id))+`","type":"soak.own","title":"`+title+`"}`), false)
	}
	u.handle("notification", "", []byte(`{"id":"a","type":"soak.own","title":"0"}`), false) // again with its ID
	if u.complete() != true {
		t.Error("five of five have arrived")
	}
	var r Result
	u.compare(&r)
	if r.Lost != 1 || r.Repeated != 1 || r.Reordered != 2 {
		t.Errorf("lost %d, repeated %d, reordered %d; want 1, 1, 2", r.Lost, r.Repeated, r.Reordered)
	}
}

// leaking returns a run in which each process has a heap of 5 MiB when it starts, and what it leaks until
// the end of the run after that. It is restarted as load restarts it.
func leaking(heap float64) *Result {
	r := &Result{Options: Options{For: time.Minute}, Restarted: time.Minute / restart}
	for i := range samples {
		s := Sample{At: time.Duration(i) * time.Minute / samples, RSS: 50 * mebibyte, Heap: 5 * mebibyte, Goroutines: 100, Files: 100, P99: time.Millisecond}
		s.Heap += heap * float64(i%(samples/restart)) / samples
		if i >= samples/restart {
			s.Heap = 5*mebibyte + heap*float64(i-samples/restart)/samples
		}
		s.RSS += s.Heap
		r.Samples = append(r.Samples, s)
	}
	return r
}

// The restart must not hide that a process grows: it was once at the half, so that the parts that are compared
// were equally far from a start.
func TestLevelsThatGrowAreFaults(t *testing.T) {
	if faults := leaking(0).Faults(); len(faults) > 0 {
		t.Error(faults)
	}
	if faults := leaking(20 * mebibyte).Faults(); len(faults) != 1 {
		t.Errorf("%q; want the heap", faults)
	}
	if faults := leaking(400 * mebibyte).Faults(); len(faults) != 2 {
		t.Errorf("%q; want the heap and the resident memory", faults)
	}
}

// The disk may grow with what is kept, and not by itself.
func TestADiskThatGrowsAloneIsAFault(t *testing.T) {
	for kept, want := range map[float64]int{1: 1, 7: 0} {
		r := leaking(0)
		for i := range r.Samples {
			grown := float64(i) / samples
			r.Samples[i].Disk = 100 * mebibyte * (1 + 6*grown)
			r.Samples[i].Kept = 100 * mebibyte * (1 + (kept-1)*grown)
		}
		if faults := r.Faults(); len(faults) != want {
			t.Errorf("kept grew %v times: %q", kept, faults)
		}
	}
}

func TestTicksHaveNoNeedlessDigits(t *testing.T) {
	for _, highest := range []float64{0.3, 1, 8, 290, 310, 4e5} {
		for _, tick := range (shortTicks{}).Ticks(0, highest) {
			if strings.Contains(tick.Label, ".") && strings.HasSuffix(tick.Label, "0") {
				t.Errorf("up to %v: %s", highest, tick.Label)
			}
		}
	}
}

func TestPictureIsPNG(t *testing.T) {
	file := filepath.Join(t.TempDir(), "soak.png")
	if err := leaking(0).Picture(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(b, []byte("\x89PNG")) {
		t.Errorf("%.8q, %v", b, err)
	}
}
