package contract

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// AsyncAPI is an AsyncAPI document with the channels socket and stream. It is safe for
// concurrent use.
type AsyncAPI struct {
	// CloseCodes has the codes that the document lists.
	CloseCodes []CloseCode

	events   map[string]*jsonschema.Schema // whole frames, by event
	stream   map[string]*jsonschema.Schema // data of an event stream, by event
	commands map[string]command            // by event
}

// CloseCode is one of x-close-codes. A code that is not Sent is reported by a client's
// WebSocket library when the connection is lost.
type CloseCode struct {
	Code      int
	Reasons   []string
	Reconnect bool
	Sent      bool
}

// command has the schemas of a command of a client and of its answers.
type command struct {
	frame   *jsonschema.Schema
	answers map[string]*jsonschema.Schema // by event
}

// asyncDocument has the members of the document that this package uses.
type asyncDocument struct {
	Channels map[string]struct {
		Messages   map[string]ref
		CloseCodes []struct {
			Code      int
			Reasons   []string
			Reconnect bool
			Sent      *bool
		} `yaml:"x-close-codes"`
	}
	Operations map[string]struct {
		Action   string
		Channel  ref
		Messages []ref
		Reply    struct{ Messages []ref }
	}
	Components struct {
		Messages map[string]struct {
			Name     string
			Examples []struct{ Payload any }
		}
	}
}

type ref struct {
	To string `yaml:"$ref"`
}

// last returns the last element of the reference.
func (r ref) last() string { return r.To[strings.LastIndex(r.To, "/")+1:] }

// LoadAsyncAPI reads a document. Its examples must be valid by its schemas.
//
// For clients the schemas are open, because v1 may add members. Here they are closed: they
// are compared with the service of the same version, so a member that they do not have is
// missing in the document.
func LoadAsyncAPI(file string) (*AsyncAPI, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load the document: %w", err)
	}
	var doc asyncDocument
	var tree any
	if err := errors.Join(yaml.Unmarshal(text, &doc), yaml.Unmarshal(text, &tree)); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	closed(tree)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // AsyncAPI's schemas are a superset of this draft
	c.AssertFormat()
	if err := c.AddResource(base, tree); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	r := reader{doc: &doc, compiler: c}
	return r.read()
}

const base = "urn:asyncapi"

// closed makes every object schema with properties refuse other properties.
func closed(node any) {
	switch node := node.(type) {
	case map[string]any:
		_, lists := node["properties"].(map[string]any)
		if _, says := node["additionalProperties"]; lists && !says && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closed(child)
		}
	case []any:
		for _, child := range node {
			closed(child)
		}
	}
}

// reader compiles the schemas of a document.
type reader struct {
	doc      *asyncDocument
	compiler *jsonschema.Compiler
}

func (r *reader) read() (*AsyncAPI, error) {
	a := &AsyncAPI{events: map[string]*jsonschema.Schema{}, stream: map[string]*jsonschema.Schema{}, commands: map[string]command{}}
	for name, operation := range r.doc.Operations {
		channel := operation.Channel.last()
		sent, err := r.schemas(channel, operation.Messages)
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", name, err)
		}
		answers, err := r.schemas(channel, operation.Reply.Messages)
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", name, err)
		}
		for event, schema := range sent {
			switch {
			case operation.Action == "receive":
				a.commands[event] = command{schema, answers}
			case channel == "stream":
				a.stream[event] = schema
			default:
				a.events[event] = schema
			}
		}
	}
	for _, c := range r.doc.Channels["socket"].CloseCodes {
		a.CloseCodes = append(a.CloseCodes, CloseCode{c.Code, c.Reasons, c.Reconnect, c.Sent == nil || *c.Sent})
	}
	return a, nil
}

// schemas returns the payload schemas of a channel's messages, by event, and validates the
// examples.
func (r *reader) schemas(channel string, messages []ref) (map[string]*jsonschema.Schema, error) {
	all := make(map[string]*jsonschema.Schema)
	for _, message := range messages {
		in, ok := r.doc.Channels[channel].Messages[message.last()]
		if !ok {
			return nil, fmt.Errorf("channel %s has no message %s", channel, message.To)
		}
		m := r.doc.Components.Messages[in.last()]
		schema, err := r.compiler.Compile(base + "#/components/messages/" + in.last() + "/payload")
		if err != nil {
			return nil, fmt.Errorf("message %s: %w", in.last(), err)
		}
		if len(m.Examples) == 0 {
			return nil, fmt.Errorf("message %s has no example", in.last())
		}
		for _, example := range m.Examples {
			if err := schema.Validate(example.Payload); err != nil {
				return nil, fmt.Errorf("an example of message %s: %w", in.last(), err)
			}
		}
		all[m.Name] = schema
	}
	return all, nil
}
