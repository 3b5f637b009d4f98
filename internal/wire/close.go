package wire

import (
	"encoding/json"

	"github.com/bellhop/bellhop/internal/notify"
)

// CloseData is the data of the close event.
func CloseData(c notify.Close) []byte {
	b, err := json.Marshal(struct {
		Code      int    `json:"code"`
		Reason    string `json:"reason"`
		Reconnect bool   `json:"reconnect"`
		After     int64  `json:"after"` // seconds
	}{c.Code, c.Reason, c.Reconnect, int64(c.After.Seconds())})
	if err != nil {
		panic(err)
	}
	return b
}
