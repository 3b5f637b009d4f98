package wire

import "github.com/bellhop/bellhop/internal/strict"

// parse returns body as one strict JSON value. The depth that a setting allows was checked
// before.
func parse(body []byte) (strict.Value, error) { return strict.JSON(body, strict.MaxDepth) }

// reader reads the values that several bodies share.
type reader struct{ strict.Reader }
