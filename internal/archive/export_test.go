package archive

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// Compressed returns a writer that compresses into w.
func Compressed(w io.Writer) io.WriteCloser {
	z, err := zstd.NewWriter(w)
	if err != nil {
		panic(err)
	}
	return z
}
