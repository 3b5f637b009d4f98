package cursor_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/notify"
)

var ada = cursor.TagOf("ada")

func generation(id uint64, first notify.Sequence) notify.Generation {
	return notify.Generation{ID: id, First: first, Secret: [16]byte{byte(id)}}
}

func TestSealingACursorAllocatesNothing(t *testing.T) {
	k := cursor.NewKeyring(generation(1, 1), generation(2, 9))
	buf := make([]byte, 0, 64)
	for _, seq := range []notify.Sequence{1, 9} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { buf = k.Append(buf[:0], ada, seq) }))
	}
}

func TestCursorOfAForeignGenerationIsUnknown(t *testing.T) {
	own, foreign := cursor.NewKeyring(generation(1, 1)), cursor.NewKeyring(generation(2, 1))
	_, err := own.Open(ada, string(foreign.Append(nil, ada, 5)))
	require.ErrorIs(t, err, cursor.ErrUnknown)

	sameID := generation(1, 1)
	sameID.Secret[15] = 1
	_, err = own.Open(ada, string(cursor.NewKeyring(sameID).Append(nil, ada, 5)))
	require.ErrorIs(t, err, cursor.ErrUnknown, "another secret")
}

func TestAGenerationBeginsAtItsFirstSequence(t *testing.T) {
	k := cursor.NewKeyring(generation(1, 1))
	last, early := string(k.Append(nil, ada, 9)), string(k.Append(nil, ada, 10))
	k.Add(generation(2, 10))
	seq, err := k.Open(ada, last)
	require.NoError(t, err)
	assert.Equal(t, notify.Sequence(9), seq)
	_, err = k.Open(ada, early)
	require.ErrorIs(t, err, cursor.ErrUnknown, "it was sealed for a sequence that the older generation does not contain")
}

// A node can find out that a cursor is ahead of it, without the generation of the cursor.
func TestTheSequenceOfACursor(t *testing.T) {
	sealed := string(cursor.NewKeyring(generation(1, 1)).Append(nil, ada, 300))
	seq, ok := cursor.SequenceOf(sealed)
	assert.True(t, ok)
	assert.Equal(t, notify.Sequence(300), seq)
	for _, other := range []string{"", "earliest", sealed[1:], sealed + "A", sealed[:31] + "="} {
		_, ok := cursor.SequenceOf(other)
		assert.False(t, ok, "%q", other)
	}
}

func TestTickets(t *testing.T) {
	k, foreign := cursor.NewKeyring(generation(1, 1)), cursor.NewKeyring(generation(2, 1))
	ticket := k.NewTicket()
	assert.True(t, k.IsTicket(ticket))
	assert.False(t, foreign.IsTicket(ticket))
	assert.NotEqual(t, ticket, k.NewTicket())
	for _, other := range []string{"", ticket[1:], ticket + "=", "A" + ticket[1:], string(k.Append(nil, ada, 1))} {
		assert.False(t, k.IsTicket(other) && other != ticket, "%q", other)
	}
	for i := range uint64(31) {
		k.Add(generation(i+3, notify.Sequence(i+2)))
		assert.True(t, k.IsTicket(ticket), "after %d more starts", i+1)
	}
	k.Add(generation(99, 99))
	assert.False(t, k.IsTicket(ticket), "of a generation that is older than any valid ticket")
}

// Several nodes start at any time, each appending its generation to one journal,
// and each applies that journal at its own pace. However far each has come, it
// opens every cursor and ticket that a node which is no further has sealed.
func TestEveryNodeOpensTheCursorsOfOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type node struct {
			keyring *cursor.Keyring
			applied notify.Sequence
		}
		type sealed struct {
			cursor, ticket string
			seq, applied   notify.Sequence // applied by the node that sealed it
		}
		var (
			journal []notify.Generation
			last    notify.Sequence // of the journal
			nodes   []*node
			all     []sealed
		)
		apply := func(n *node, upTo notify.Sequence) {
			for _, g := range journal {
				if g.First > n.applied && g.First <= upTo {
					n.keyring.Add(g)
				}
			}
			n.applied = upTo
		}
		start := func() {
			last++
			journal = append(journal, generation(uint64(last), last))
			n := &node{keyring: cursor.NewKeyring()}
			apply(n, last) // a node appends its generation and waits until that is applied
			nodes = append(nodes, n)
		}
		start()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.SampledFrom(nodes).Draw(t, "node")
			switch rapid.SampledFrom([]string{"start", "append", "apply", "seal", "seal"}).Draw(t, "do") {
			case "start":
				start()
			case "append":
				last += notify.Sequence(rapid.IntRange(1, 20).Draw(t, "entries"))
			case "apply":
				apply(n, notify.Sequence(rapid.Uint64Range(uint64(n.applied), uint64(last)).Draw(t, "upTo")))
			case "seal":
				seq := notify.Sequence(rapid.Uint64Range(1, uint64(n.applied)).Draw(t, "seq"))
				all = append(all, sealed{string(n.keyring.Append(nil, ada, seq)), n.keyring.NewTicket(), seq, n.applied})
			}
		}
		for _, n := range nodes {
			for _, s := range all {
				if n.applied < s.applied {
					continue
				}
				seq, err := n.keyring.Open(ada, s.cursor)
				if err != nil || seq != s.seq {
					t.Fatalf("a node at %d opens a cursor of sequence %d, sealed by a node at %d, as %d, %v", n.applied, s.seq, s.applied, seq, err)
				}
				if !n.keyring.IsTicket(s.ticket) {
					t.Fatalf("a node at %d refuses a ticket sealed by a node at %d", n.applied, s.applied)
				}
			}
		}
	})
}

func ExampleKeyring() {
	k := cursor.NewKeyring(notify.Generation{ID: 1, First: 1})
	seq, err := k.Open(cursor.TagOf("ada"), string(k.Append(nil, cursor.TagOf("ada"), 42)))
	fmt.Println(seq, err)
	_, err = k.Open(cursor.TagOf("grace"), string(k.Append(nil, cursor.TagOf("ada"), 42)))
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// unknown cursor
}
