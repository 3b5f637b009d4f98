//go:build linux

package soak

import (
	"bufio"
	"bytes"
	"io"
)

// events handles the events of a stream until it ends.
func (u *user) events(body io.Reader) {
	var event, id string
	var data []byte
	isLive := false
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "event":
			event = string(value)
		case "id":
			id = string(value)
		case "data":
			data = bytes.Clone(value)
		case "": // the end of an event
			isLive = u.handle(event, id, data, isLive)
			event, id, data = "", "", nil
		}
	}
}
