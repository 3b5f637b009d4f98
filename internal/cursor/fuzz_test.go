package cursor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/notify"
)

// FuzzCursor checks that a sealed cursor opens to its sequence for its user
// alone, with no character changed; and that any string that opens was sealed.
func FuzzCursor(f *testing.F) {
	k := cursor.NewKeyring(
		notify.Generation{ID: 7, First: 1, Secret: [16]byte{1}},
		notify.Generation{ID: 1 << 63, First: 100, Secret: [16]byte{2}},
		notify.Generation{ID: 9, First: 1 << 40, Secret: [16]byte{3}},
	)
	for _, seq := range []uint64{0, 1, 99, 100, 1<<40 - 1, 1 << 40, 1<<64 - 1} {
		f.Add(string(k.Append(nil, cursor.TagOf("ada"), notify.Sequence(seq))), "ada", seq, 31, byte(1))
	}
	for i, sent := range []string{
		"", "earliest", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "////////////////////////////////",
		"AAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAA", "\xff\x00", "../../../../etc/passwd",
	} {
		f.Add(sent, "grace", uint64(i), i, byte(0x20))
	}
	f.Fuzz(func(t *testing.T, sent, user string, at uint64, index int, change byte) {
		tag, seq := cursor.TagOf(notify.UserID(user)), notify.Sequence(at)
		if opened, err := k.Open(tag, sent); err == nil {
			require.Equal(t, sent, string(k.Append(nil, tag, opened)))
		}
		sealed := k.Append(nil, tag, seq)
		require.Regexp(t, `^[A-Za-z0-9_-]{1,128}$`, string(sealed))
		opened, err := k.Open(tag, string(sealed))
		require.NoError(t, err)
		require.Equal(t, seq, opened)

		_, err = k.Open(cursor.TagOf(notify.UserID(user+"x")), string(sealed))
		require.ErrorIs(t, err, cursor.ErrUnknown, "another user")
		if change != 0 {
			sealed[uint(index)%uint(len(sealed))] ^= change
			_, err = k.Open(tag, string(sealed))
			require.ErrorIs(t, err, cursor.ErrUnknown, "altered to %q", sealed)
		}
		for _, cut := range []string{string(sealed[:len(sealed)-1]), string(sealed) + "A", string(sealed) + "\n", string(sealed) + "="} {
			_, err = k.Open(tag, cut)
			require.ErrorIs(t, err, cursor.ErrUnknown, "%q", cut)
		}
	})
}
