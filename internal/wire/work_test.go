package wire_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/wire"
)

// The cost of reading a body grows with its bytes and not faster, whatever they
// are. Memory stands for the work here: it does not depend on the machine.
func TestWorkGrowsWithBytes(t *testing.T) {
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":1,`, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	with := func(data string) string { return `{"to":{"users":["a"]},"type":"t","data":` + data + `}` }
	for name, body := range map[string]func(n int) string{
		"unknown members": func(n int) string { return "{" + members(n) + "}" },
		"members of data": func(n int) string { return with("{" + members(n) + "}") },
		"escapes":         func(n int) string { return with(`{"a":"` + strings.Repeat(`\"\\`, n) + `"}`) },
		"nested": func(n int) string {
			return with(strings.Repeat(`{"a":`, 28) + "[" + list(`{"b":[1]}`, n) + "]" + strings.Repeat("}", 28))
		},
		"numbers":     func(n int) string { return with(`{"a":[` + list("1e300", n) + `]}`) },
		"one number":  func(n int) string { return with(`{"a":` + strings.Repeat("9", 8*n) + `}`) },
		"users":       func(n int) string { return `{"to":{"users":[` + list(`"ada"`, n) + `]},"type":"t"}` },
		"topics":      func(n int) string { return `{"to":{"topics":[` + list(`"....."`, n) + `]},"type":"t"}` },
		"ids":         func(n int) string { return `{"ids":[` + list(`"0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"`, n) + `]}` },
		"a batch":     func(n int) string { return `{"notifications":[` + list(`{"to":{"users":["a"]},"type":"t"}`, n) + `]}` },
		"a bad batch": func(n int) string { return `{"notifications":[` + list(`{"a":1,"b":2,"c":3}`, n) + `]}` },
		"a long name": func(n int) string { return `{"` + strings.Repeat("~/", 8*n) + `":1}` },
	} {
		t.Run(name, func(t *testing.T) {
			const few, times = 500, 8
			// The least of a few runs: with the race detector, pools forget buffers at
			// random. Work that grows with the square would take 64 times as much.
			small, large := memory(body(few)), memory(body(few*times))
			for range 4 {
				large = min(large, memory(body(few*times)))
			}
			if most := 4*times*small + 64<<10; large > most {
				t.Errorf("%d bytes for one size, %d for %d times that", small, large, times)
			}
		})
	}
}

// memory returns how many bytes it takes to read body in each of the ways there
// are, and to report what is wrong with it.
func memory(body string) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b := []byte(body)
	if d, err := wire.Draft(b); err == nil {
		d.Check(time.Now(), time.Hour)
		wire.Fingerprint(d.Source)
	} else {
		problem.Of(err).JSON()
	}
	items, err := wire.Batch(b)
	if err != nil {
		problem.Of(err).JSON()
	}
	for i := range items {
		if items[i].Err != nil {
			problem.Of(items[i].Err).JSON()
		}
	}
	_, _ = wire.Marks(b)
	_, _ = wire.Revocation(b)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
