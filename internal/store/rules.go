package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// The rules decide what an entry changes. They are the code that applies entries, the
// constants below, notify.Validate, the limits and lifetimes of package notify, and how
// sizeLimit divides a limit. Two programs with different rules make different stores of
// the same entries. Therefore the rules have a version, notify.RulesVersion, and the
// state has the version in force: the highest that a notify.Generation has brought so
// far, or firstRules.
//
// A program refuses to apply entries, and to open a store, under a version that it does
// not have. A program that changes a rule raises notify.RulesVersion, keeps the earlier
// rules as well as the new ones, and chooses by state.rules, so that it can join nodes that
// still run the earlier program. A new kind of entry, or a new field, is such a change.
// A lifetime must not be changed while the store has records with it: when a record is removed,
// its expiry key is computed from the lifetime again.
//
// That holds from the first release on, whose rules are version 1. Before it, commits add kinds
// of entries and change rules without raising notify.RulesVersion. A node with an earlier commit
// skips an entry that others apply, and only the comparison of hashes finds afterwards that its
// state differs. Therefore nodes of different commits must not share a stream until then.
//
// Settings, such as retention and the maximum of notifications in a history, are no
// rules: each entry carries those that it depends on.
const (
	firstRules = 1

	// changeLifetime is the maximum time for which a change is kept, for readers who were
	// away. It is not shorter than the lifetime of any cursor that needs the change.
	changeLifetime = 31 * 24 * time.Hour

	// patternChangesFactor is the number of changes that a pattern keeps, as a multiple of
	// those that a topic keeps.
	patternChangesFactor = 32

	// removalLifetime is the time for which the removal of a notification is remembered after
	// retention would have removed it. minRemovalBytes is the size that removals may have in
	// any case: about a hundred thousand of them.
	removalLifetime = 31 * 24 * time.Hour
	minRemovalBytes = 16 << 20

	// erasedLifetime is the time for which an erasure is remembered. A device reports a delivery
	// within it.
	erasedLifetime = time.Hour

	// maxEvictions is the maximum of notifications that one publish evicts from a history.
	// Usually it evicts one, and more after the limit of the history was lowered.
	maxEvictions = 100

	// maxExpirations is the maximum of records that one Cleanup removes, give or take one
	// notification, so that publishing is never held up for long. A notification counts
	// once for each user and topic that has it.
	maxExpirations = 500

	// maxMarkChanges is the maximum of notifications that one Mark up to a sequence
	// changes, so that publishing is never held up for long. The Mark reads at most
	// readsPerMarkChange times as many. A Mark by ID has at most notify.MaxMarks.
	maxMarkChanges     = 250
	readsPerMarkChange = 8

	// pruneInterval is the number of intervals that are added to an interval set before
	// those without notifications are dropped from it, which takes a seek for each.
	pruneInterval = 32

	// maxPrunedPerMark is the maximum of a user's records that a Mark checks when it adds
	// one, so that few records are about removed notifications.
	maxPrunedPerMark = 2

	// maxPatternDots is the maximum of dots in a pattern that has a history. A topic may
	// have 255 dots, and with a history for each, the cost of a publish would grow with
	// the square of its bytes. A reader of a longer pattern reads the histories of all
	// topics that match it, which costs time and memory for each.
	maxPatternDots = 8

	// hashEvery is the interval of the sequences whose running hash is kept, of the latest
	// keptHashes of them.
	hashEvery  = 64
	keptHashes = 1 << 10

	// blockBits says how many sequences share one record of read state, as a power of two.
	blockBits = 12
)

// ErrNewerRules means that the rules in force have a version that this program does not know.
var ErrNewerRules = errors.New("the journal follows newer rules")

// checkRules returns an error of kind ErrNewerRules if version is newer than the rules of this
// program.
func checkRules(version uint32) error {
	if version <= notify.RulesVersion {
		return nil
	}
	return fmt.Errorf("%w: version %d, and this program has versions up to %d; start a newer program, or the one that ran here last",
		ErrNewerRules, version, notify.RulesVersion)
}

// Rules returns the version of the rules in force, 0 in a store without entries.
func (s *Store) Rules() uint32 { return s.rules.Load() }

// generation begins a generation, and brings its rules into force.
func (tx *txn) generation(seq notify.Sequence, e notify.Generation) error {
	if err := checkRules(e.Rules); err != nil {
		return err
	}
	tx.state.rules = max(tx.state.rules, e.Rules, firstRules)
	e.First = seq
	tx.set(sequenceKey(kindGeneration, seq), entry.Append(nil, e))
	tx.generations = append(tx.generations, e)
	return nil
}

// readGenerations returns the generations of the journal, oldest first.
func readGenerations(r pebble.Reader) ([]notify.Generation, error) {
	var all []notify.Generation
	err := each(r, []byte{kindGeneration}, endOfKind(kindGeneration), func(_, v []byte) (bool, error) {
		g, err := readGeneration(v)
		all = append(all, g)
		return true, err
	})
	return all, err
}

func readGeneration(b []byte) (notify.Generation, error) {
	if g, ok := entry.Decode(b).(notify.Generation); ok {
		return g, nil
	}
	return notify.Generation{}, errCorrupt
}
