package service

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// FuzzCursor holds that a cursor that was sealed opens to its sequence for its
// user alone, with every character as it was; and that whatever else opens was
// sealed, too.
func FuzzCursor(f *testing.F) {
	c, err := newCursors([]notify.Generation{
		{ID: 7, First: 1, Secret: [16]byte{1}},
		{ID: 1 << 63, First: 100, Secret: [16]byte{2}},
		{ID: 9, First: 1 << 40, Secret: [16]byte{3}},
	})
	require.NoError(f, err)
	for _, seq := range []uint64{0, 1, 99, 100, 1<<40 - 1, 1 << 40, 1<<64 - 1} {
		f.Add(string(c.append(nil, TagOf("ada"), notify.Sequence(seq))), "ada", seq, 31, byte(1))
	}
	for i, sent := range []string{
		"", Earliest, "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "////////////////////////////////",
		"AAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAA", "\xff\x00", "../../../../etc/passwd",
	} {
		f.Add(sent, "grace", uint64(i), i, byte(0x20))
	}
	f.Fuzz(func(t *testing.T, sent, user string, at uint64, place int, change byte) {
		tag, seq := TagOf(notify.UserID(user)), notify.Sequence(at)
		if opened, err := c.open(tag, sent); err == nil {
			require.Equal(t, sent, string(c.append(nil, tag, opened)))
		}
		sealed := c.append(nil, tag, seq)
		require.Regexp(t, `^[A-Za-z0-9_-]{1,128}$`, string(sealed))
		opened, err := c.open(tag, string(sealed))
		require.NoError(t, err)
		require.Equal(t, seq, opened)

		_, err = c.open(TagOf(notify.UserID(user+"x")), string(sealed))
		require.ErrorIs(t, err, errCursor, "another's")
		if change != 0 {
			sealed[uint(place)%uint(len(sealed))] ^= change
			_, err = c.open(tag, string(sealed))
			require.ErrorIs(t, err, errCursor, "altered to %q", sealed)
		}
		for _, cut := range []string{string(sealed[:len(sealed)-1]), string(sealed) + "A", string(sealed) + "\n", string(sealed) + "="} {
			_, err = c.open(tag, cut)
			require.ErrorIs(t, err, errCursor, "%q", cut)
		}
	})
}
