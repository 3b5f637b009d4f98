package notify

import (
	"encoding/json"
	"fmt"
)

// Fields are the fields of a notification that its Content holds.
type Fields struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Title       string          `json:"title"`
	Body        string          `json:"body"`
	Data        json.RawMessage `json:"data"` // a JSON object as it was published; nil: none
	URL         string          `json:"url"`
	Actions     []Action        `json:"actions"`
	CollapseKey string          `json:"collapse_key"`
	Priority    Priority        `json:"priority"`
	Ephemeral   bool            `json:"ephemeral"`
	Silent      bool            `json:"silent"`
}

// Fields reads the Content of n. A protocol that writes the fields in a form of its own
// calls it when it encodes an event, so once for each event.
func (n *Notification) Fields() (Fields, error) {
	object := make([]byte, 0, len(n.Content)+len("{}"))
	object = append(append(append(object, '{'), n.Content...), '}')
	var f Fields
	if err := json.Unmarshal(object, &f); err != nil {
		return Fields{}, fmt.Errorf("read the content of a notification: %w", err)
	}
	return f, nil
}
