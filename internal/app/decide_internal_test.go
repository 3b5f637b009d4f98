package app

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/store"
)

func TestANodeDecidesWhatToDoWithItsStore(t *testing.T) {
	none := store.Contents{}
	unused := store.Contents{Exists: true, Identity: "s"}
	alone := store.Contents{Exists: true, Identity: "s", Sequence: 5}
	at := func(of string, message uint64) store.Contents {
		return store.Contents{Exists: true, Identity: "s", Sequence: 5, Journal: of, Message: message}
	}
	damaged := func(of string) store.Contents {
		return store.Contents{Exists: true, Journal: of, Damage: errors.New("flipped bit")}
	}
	fresh := journal.StreamInfo{Journal: "a", First: 1}
	young := journal.StreamInfo{Journal: "a", First: 1, Last: 20}
	purged := journal.StreamInfo{Journal: "a", First: 10, Last: 20}
	recovered := journal.StreamInfo{Journal: "a", RecoveredFrom: "w,x", First: 1}
	points := func(of string, positions ...uint64) (all []journal.Checkpoint) {
		for _, p := range positions {
			all = append(all, journal.Checkpoint{Journal: of, Position: p})
		}
		return all
	}
	for name, c := range map[string]struct {
		facts facts
		want  action
	}{
		"no store, new stream":                               {facts{local: none, stream: fresh}, begin},
		"no store, new stream, begun by another node":        {facts{local: none, stream: fresh, origin: journal.OriginEmpty}, begin},
		"an unused store, new stream":                        {facts{local: unused, stream: fresh}, begin},
		"no store, a stream that was never purged":           {facts{local: none, stream: young, origin: journal.OriginEmpty}, begin},
		"no store, a stream of unknown origin":               {facts{local: none, stream: young}, wait},
		"no store, a stream that begins with another store":  {facts{local: none, stream: fresh, origin: "t"}, wait},
		"no store, a checkpoint":                             {facts{local: none, stream: young, origin: "t", checkpoints: points("a", 0)}, restore},
		"no store, purged, with a checkpoint":                {facts{local: none, stream: purged, origin: journal.OriginEmpty, checkpoints: points("a", 12, 9)}, restore},
		"no store, purged up to the checkpoint":              {facts{local: none, stream: purged, checkpoints: points("a", 9)}, restore},
		"no store, purged, with an old checkpoint":           {facts{local: none, stream: purged, origin: journal.OriginEmpty, checkpoints: points("a", 8)}, wait},
		"no store, purged, without a checkpoint":             {facts{local: none, stream: purged, origin: journal.OriginEmpty}, wait},
		"no store, new stream in place of a lost one":        {facts{local: none, stream: fresh, others: points("x", 7)}, refuse},
		"a store of this journal":                            {facts{local: at("a", 15), stream: purged, checkpoints: points("a", 19)}, follow},
		"a store just before the first message":              {facts{local: at("a", 9), stream: purged}, follow},
		"a store before the first message":                   {facts{local: at("a", 8), stream: purged, checkpoints: points("a", 12)}, restore},
		"a store before the first message, no checkpoint":    {facts{local: at("a", 8), stream: purged}, wait},
		"a store beyond the last message":                    {facts{local: at("a", 30), stream: purged}, follow}, // the journal finds out
		"a store of another journal":                         {facts{local: at("x", 15), stream: purged, checkpoints: points("a", 12)}, refuse},
		"a store of another journal, new stream":             {facts{local: at("x", 15), stream: fresh}, refuse},
		"a store of the journal that was recovered":          {facts{local: at("x", 15), stream: recovered, origin: "s", checkpoints: points("a", 0)}, restore},
		"a store of one recovered earlier":                   {facts{local: at("w", 15), stream: recovered, origin: "s", checkpoints: points("a", 0)}, restore},
		"a store of the recovered journal, no checkpoint":    {facts{local: at("x", 15), stream: recovered, origin: "s"}, wait},
		"a damaged store of the journal":                     {facts{local: damaged("a"), stream: purged, checkpoints: points("a", 12)}, restore},
		"a damaged store, never purged, no checkpoint":       {facts{local: damaged("a"), stream: young, origin: journal.OriginEmpty}, begin},
		"a damaged store, purged, no checkpoint":             {facts{local: damaged("a"), stream: purged, origin: journal.OriginEmpty}, wait},
		"a damaged store that is no copy":                    {facts{local: damaged(""), stream: purged, checkpoints: points("a", 12)}, refuse},
		"a damaged store of another journal":                 {facts{local: damaged("x"), stream: purged, checkpoints: points("a", 12)}, refuse},
		"a standalone store, new stream":                     {facts{local: alone, stream: fresh}, adopt},
		"a standalone store that was interrupted":            {facts{local: alone, stream: fresh, origin: "s@5"}, adopt},
		"an older copy of the store that has begun it":       {facts{local: alone, stream: fresh, origin: "s@6"}, refuse},
		"a standalone store, begun by another store":         {facts{local: alone, stream: fresh, origin: "t"}, refuse},
		"a standalone store, begun empty":                    {facts{local: alone, stream: fresh, origin: journal.OriginEmpty}, refuse},
		"a standalone store, a stream with a history":        {facts{local: alone, stream: young}, refuse},
		"a standalone store, new stream after a lost one":    {facts{local: alone, stream: fresh, others: points("x", 7)}, refuse},
		"an interrupted recovery":                            {facts{local: at("a", 15), stream: purged, recovering: true}, refuse},
		"a damaged store of this journal, others recovering": {facts{local: damaged("a"), stream: purged, recovering: true}, refuse},
	} {
		got := decide(c.facts)
		assert.Equal(t, c.want, got.action, "%s: %s", name, got.why)
		assert.NotEmpty(t, got.why, name)
		if got.action == restore {
			assert.Equal(t, c.facts.checkpoints, got.checkpoints, name)
		}
	}
}
