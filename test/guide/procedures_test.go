//go:build linux

package guide

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// procedure is the test of one section, or of several that need the same machines.
type procedure struct {
	sections []string // headings
	run      func(*testing.T, chapter)
}

// procedures returns the tests of all sections.
func procedures() []procedure {
	return []procedure{
		{[]string{"Replacing keys and secrets"}, replaceKeys},
		{[]string{"Backup"}, backupAndRestore},
		{[]string{"Export and erasure"}, erase},
		{[]string{"Full disk"}, fullDisk},
		{[]string{"Damage"}, damage},
		{[]string{"Upgrade"}, upgrade},
		{[]string{"From one node to three", "A lost node", "A NATS server with damaged files", "A lost journal"}, clusterFaults},
		{[]string{"Backup of a cluster"}, copyCheckpoint},
		{[]string{"Sizing"}, sizing},
		{[]string{"Console"}, console},
		{[]string{"Logs and metrics"}, logs},
		{[]string{"Why did a notification not arrive?", "Why was a client reset?"}, whyNot},
		{[]string{"BellhopStoreOverheadHigh"}, storeOverhead},
		{[]string{"BellhopSyncsSlow"}, slowSyncs},
		{[]string{"BellhopQueuesNearLimit"}, longQueues},
		{[]string{"BellhopJournalNearLimit", "BellhopCheckpointOld"}, nearlyFullJournal},
		{[]string{"BellhopBackupOld", "BellhopNodesApart", "BellhopClockWrong", "BellhopJournalLags", "BellhopStatesDiffer"}, sickNodes},
		alerts(),
	}
}

// chapter is the sections of a procedure, in the order of their names there.
type chapter []*section

// next returns the next block that has not been run.
func (c chapter) next() block {
	for _, s := range c {
		for i, b := range s.blocks {
			if !s.ran[i] && b.reason == "" {
				s.ran[i] = true
				return b
			}
		}
	}
	return block{text: "echo 'the guide has no further block here'; exit 1"}
}

// left returns the number of blocks of a section that have not been run.
func (c chapter) left(name string) (n int) {
	for _, s := range c {
		for i, b := range s.blocks {
			if s.name == name && !s.ran[i] && b.reason == "" {
				n++
			}
		}
	}
	return n
}

// TestTheCommandsOfTheGuide runs every shell block of the guide. A new block fails the test until
// the test of its section runs it, or a comment before it says why that is not possible.
func TestTheCommandsOfTheGuide(t *testing.T) {
	require.Zero(t, os.Geteuid(), "these commands are run by root, and the service by another user")
	all := readGuide(t)
	for _, p := range procedures() {
		var c chapter
		for _, name := range p.sections {
			i := slices.IndexFunc(all, func(s *section) bool { return s.name == name })
			require.GreaterOrEqual(t, i, 0, "the guide has no section %q with shell blocks", name)
			c, all = append(c, all[i]), slices.Delete(all, i, i+1)
		}
		t.Run(p.sections[0], func(t *testing.T) {
			t.Parallel()
			p.run(t, c)
			for _, s := range c {
				s.requireRun(t)
			}
		})
	}
	for _, s := range all { // no test runs these
		s.requireRun(t)
	}
}

// requireRun fails the test if a block was not run that could be.
func (s *section) requireRun(t *testing.T) {
	t.Helper()
	for i, b := range s.blocks {
		require.True(t, s.ran[i] || b.reason != "", "%s: no test runs the block in line %d:\n%s", s.name, b.line, b.text)
	}
}
