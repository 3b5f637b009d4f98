package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Frames validates the messages of one connection against a document. It reports to TB,
// with Errorf:
//
//   - an event that the document does not have, or that is invalid by it;
//   - a reply or an error that its command does not have in the document;
//   - a reply to an invalid command. Tests send such commands on purpose, and the service
//     must answer them with an error.
type Frames struct {
	Document *AsyncAPI
	TB       testing.TB

	mu   sync.Mutex
	sent []sent // not yet answered, in order
}

// sent is a command that a client has sent.
type sent struct {
	frame string
	event string
	fault error // why the command is invalid
}

// Sent must be called with every text frame of a client, before it is sent.
func (f *Frames) Sent(frame []byte) {
	v, err := decode(frame)
	object, ok := v.(map[string]any)
	if err == nil && !ok {
		err = errors.New("it is not a JSON object")
	}
	event, _ := object["event"].(string)
	if err == nil {
		if c, ok := f.Document.commands[event]; ok {
			err = c.frame.Validate(v)
		} else {
			err = errors.New("unknown command")
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, sent{string(frame), event, err})
}

// Received must be called with every text frame that a client receives.
func (f *Frames) Received(frame []byte) {
	if err := f.received(frame); err != nil {
		f.TB.Errorf("a frame violates the document: %v\n%.2000s", err, frame)
	}
}

func (f *Frames) received(frame []byte) error {
	v, err := decode(frame)
	if err != nil {
		return err
	}
	object, _ := v.(map[string]any)
	event, _ := object["event"].(string)
	if event == "reply" || event == "error" {
		return f.answered(event, v)
	}
	return check(f.Document.events, event, v)
}

// answered validates an answer. Commands are answered in the order in which they were sent.
func (f *Frames) answered(event string, answer any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sent) == 0 {
		return errors.New("it answers no command")
	}
	to := f.sent[0]
	f.sent = f.sent[1:]
	c, ok := f.Document.commands[to.event]
	if !ok { // an unknown command gets the same errors as any other
		c = f.Document.commands["ping"]
	}
	if event == "reply" && to.fault != nil {
		return fmt.Errorf("an invalid command was accepted: %.2000s: %w", to.frame, to.fault)
	}
	return check(c.answers, event, answer)
}

// Streamed must be called with every event that the client of an event stream receives.
func (f *Frames) Streamed(event, data string) {
	v, err := decode([]byte(data))
	if err == nil {
		err = check(f.Document.stream, event, v)
	}
	if err != nil {
		f.TB.Errorf("an event %s violates the document: %v\n%.2000s", event, err, data)
	}
}

// Events returns the names of the events on a socket, without the answers to commands, and
// of those on an event stream.
func (a *AsyncAPI) Events() (socket, stream []string) {
	return slices.Sorted(maps.Keys(a.events)), slices.Sorted(maps.Keys(a.stream))
}

// Commands returns the names of the commands of clients.
func (a *AsyncAPI) Commands() []string { return slices.Sorted(maps.Keys(a.commands)) }

func check(schemas map[string]*jsonschema.Schema, event string, v any) error {
	schema, ok := schemas[event]
	if !ok {
		return fmt.Errorf("unknown event %q", event)
	}
	return schema.Validate(v)
}

// decode reads JSON and keeps the digits of numbers.
func decode(b []byte) (any, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil || !json.Valid(b) { // json.Valid refuses trailing data
		return nil, errors.Join(errors.New("it is not JSON"), err)
	}
	return v, nil
}
