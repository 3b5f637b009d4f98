package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/bellhop/bellhop/internal/notify"
)

// manifest describes a checkpoint.
type manifest struct {
	Format   int             `json:"format"`
	Sequence notify.Sequence `json:"sequence"`          // of the last entry applied
	Identity string          `json:"identity"`          // of the store, in hexadecimal
	Journal  string          `json:"journal,omitempty"` // of a cluster, which the store follows
	Message  uint64          `json:"message,omitempty"` // of that journal, the last one applied
	Files    []manifestFile  `json:"files"`             // in the order of their names
}

type manifestFile struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	CRC   uint32 `json:"crc"` // Castagnoli
}

// check returns an error if f cannot be a file of a checkpoint.
func (f manifestFile) check() error {
	if filepath.Base(f.Name) != f.Name || !filepath.IsLocal(f.Name) {
		return fmt.Errorf("%w: its manifest lists %q, which is not a file name", ErrCheckpoint, f.Name)
	}
	if f.Bytes < 0 {
		return fmt.Errorf("%w: its manifest lists %q with %d bytes", ErrCheckpoint, f.Name, f.Bytes)
	}
	return nil
}

func (s *Store) manifestPath() string { return filepath.Join(s.dir, "checkpoint") }

// encode returns m as a line of JSON, and a line with its checksum.
func (m manifest) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // a struct of numbers and strings has an encoding
	}
	return fmt.Appendf(append(b, '\n'), "%08x\n", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func (s *Store) readManifest() (m manifest, err error) {
	f, err := s.fs.Open(s.manifestPath())
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w: it has no manifest, so it is incomplete or something else", ErrCheckpoint)
	}
	if err != nil {
		return m, err
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return m, err
	}
	return decodeManifest(b)
}

// decodeManifest decodes what encode returns.
func decodeManifest(b []byte) (m manifest, err error) {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	if json.Unmarshal(line, &m) != nil || m.Format == 0 {
		return m, fmt.Errorf("%w: its manifest is damaged", ErrCheckpoint)
	}
	if want := fmt.Appendf(nil, "%s\n%08x\n", line, crc32.Checksum(line, crc32.MakeTable(crc32.Castagnoli))); !bytes.Equal(b, want) {
		return m, fmt.Errorf("%w: its manifest is damaged", ErrCheckpoint)
	}
	if m.Format != formatVersion {
		return m, fmt.Errorf("%w: %w: it has format %d, and this version reads format %d only", ErrCheckpoint, ErrFormat, m.Format, formatVersion)
	}
	return m, nil
}
