package hub

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/bellhop/bellhop/internal/notify"
)

// subscriptions knows which shards have connections that receive a topic pattern. Finding
// all patterns that match a topic takes one pass over its bytes, however many dots it
// has: a rolling hash of the prefix up to each dot is looked up, and the pattern is
// compared only if there is one with that hash.
type subscriptions struct {
	base uint64 // of the hash; random, so that collisions cannot be constructed

	mu     sync.RWMutex // acquired after a shard's lock
	byHash map[uint64]*subscription
}

// subscription is a pattern that at least one connection receives.
type subscription struct {
	pattern notify.TopicPattern
	shards  shardSet
	next    *subscription // of the same hash
}

// hit is a subscription that matches the topic at an index of a list.
type hit struct {
	pattern notify.TopicPattern
	shards  shardSet
	topic   int
}

func newSubscriptions() subscriptions {
	return subscriptions{
		base:   hashPrime/2 + rand.Uint64N(hashPrime/2), //nolint:gosec // ChaCha8 with a random seed
		byHash: make(map[uint64]*subscription),
	}
}

// add notes that a shard has a connection that receives p.
func (s *subscriptions) add(p notify.TopicPattern, shard int) {
	key := s.keyOf(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	for is := s.byHash[key]; is != nil; is = is.next {
		if is.pattern == p {
			is.shards.add(shard)
			return
		}
	}
	added := &subscription{pattern: p, next: s.byHash[key]}
	added.shards.add(shard)
	s.byHash[key] = added
}

// remove notes that a shard has no connection any more that receives p.
func (s *subscriptions) remove(p notify.TopicPattern, shard int) {
	key := s.keyOf(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	var before *subscription
	for is := s.byHash[key]; is != nil; before, is = is, is.next {
		if is.pattern != p {
			continue
		}
		switch is.shards.remove(shard); {
		case is.shards != shardSet{}:
		case before != nil:
			before.next = is.next
		case is.next != nil:
			s.byHash[key] = is.next
		default:
			delete(s.byHash, key)
		}
		return
	}
}

// find returns the subscriptions that match topics, in the order of the topics.
func (s *subscriptions) find(topics []notify.Topic) (hits []hit) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.byHash) == 0 {
		return nil
	}
	for i, t := range topics {
		var hash uint64
		for at := range len(t) {
			if hash = s.roll(hash, t[at]); t[at] == '.' {
				hits = s.appendHitsLocked(hits, hash, t[:at+1], true, i)
			}
		}
		hits = s.appendHitsLocked(hits, hash, t, false, i)
	}
	return hits
}

// appendHitsLocked appends the subscription to text, whose hash is given: to all
// topics that begin with it if many is set, otherwise to the topic of that name.
func (s *subscriptions) appendHitsLocked(hits []hit, hash uint64, text notify.Topic, many bool, topic int) []hit {
	for is := s.byHash[hash]; is != nil; is = is.next {
		if prefix, isMany := is.pattern.Prefix(); isMany == many && prefix == string(text) {
			hits = append(hits, hit{is.pattern, is.shards, topic})
		}
	}
	return hits
}

// keyOf returns the hash of the prefix of p, which is all of p if it is one topic.
func (s *subscriptions) keyOf(p notify.TopicPattern) (hash uint64) {
	prefix, _ := p.Prefix()
	for i := range len(prefix) {
		hash = s.roll(hash, prefix[i])
	}
	return hash
}

// hashPrime is the modulus of the hash, a Mersenne prime.
const hashPrime = 1<<61 - 1

// roll returns the hash of a text and one more byte: a polynomial in base.
func (s *subscriptions) roll(hash uint64, b byte) uint64 {
	high, low := bits.Mul64(hash, s.base)
	hash = low&hashPrime + (low>>61 | high<<3)
	hash = hash&hashPrime + hash>>61
	hash += uint64(b) + 1
	if hash >= hashPrime {
		hash -= hashPrime
	}
	return hash
}

// shardSet is a set of shards.
type shardSet [shardCount / 64]uint64

func (s *shardSet) add(shard int)      { s[shard/64] |= 1 << (shard % 64) }
func (s *shardSet) remove(shard int)   { s[shard/64] &^= 1 << (shard % 64) }
func (s *shardSet) has(shard int) bool { return s[shard/64]>>(shard%64)&1 == 1 }

// shardsOf returns the shards of all hits.
func shardsOf(hits []hit) (all shardSet) {
	for i := range hits {
		for k := range all {
			all[k] |= hits[i].shards[k]
		}
	}
	return all
}

// subscribeLocked adds c to the lists of the topics of its token, which are distinct, and of
// its user's memberships.
func (s *shard) subscribeLocked(c *Conn) {
	for _, p := range c.subscribedLocked() {
		s.addTopicLocked(c, p)
	}
}

// unsubscribeLocked removes c from these lists.
func (s *shard) unsubscribeLocked(c *Conn) {
	for _, p := range c.subscribedLocked() {
		s.removeTopicLocked(c, p)
	}
}

// resubscribeLocked replaces the topics that c received, was, by those of its token. A
// topic in both is received without a break.
func (s *shard) resubscribeLocked(c *Conn, was []notify.TopicPattern) {
	is, members := c.principal.topics(), s.members[c.principal.user]
	for _, p := range is {
		if !slices.Contains(was, p) && !members.has(p) {
			s.addTopicLocked(c, p)
		}
	}
	for _, p := range was {
		if !slices.Contains(is, p) && !members.has(p) {
			s.removeTopicLocked(c, p)
		}
	}
}

func (s *shard) addTopicLocked(c *Conn, p notify.TopicPattern) {
	conns := s.topics[p]
	if len(conns) == 0 {
		s.hub.subscriptions.add(p, s.number)
	}
	s.topics[p] = append(conns, c)
}

func (s *shard) removeTopicLocked(c *Conn, p notify.TopicPattern) {
	conns := s.topics[p]
	i := slices.Index(conns, c)
	switch last := len(conns) - 1; {
	case i < 0:
	case last == 0:
		delete(s.topics, p)
		s.hub.subscriptions.remove(p, s.number)
	default: // the last one moves here: eachReceiverLocked has visited it
		conns[i], conns[last] = conns[last], nil
		s.topics[p] = conns[:last]
	}
}

// eachReceiverLocked calls do for each connection that hears one of hits at a sequence,
// once, with the index of the first topic that it hears: see hearsLocked. do may remove
// the connection.
func (s *shard) eachReceiverLocked(hits []hit, at notify.Sequence, do func(c *Conn, topic int)) {
	var called map[*Conn]bool
	if s.hasSeveral(hits) {
		called = make(map[*Conn]bool)
	}
	for i := range hits {
		if !hits[i].shards.has(s.number) {
			continue
		}
		for _, c := range slices.Backward(s.topics[hits[i].pattern]) { // backward: see removeTopicLocked
			if called[c] || !c.hearsLocked(hits[i].pattern, at) {
				continue
			}
			if called != nil {
				called[c] = true
			}
			do(c, hits[i].topic)
		}
	}
}

// hasSeveral reports whether a connection of s may receive more than one of hits.
func (s *shard) hasSeveral(hits []hit) bool {
	n := 0
	for i := range hits {
		if hits[i].shards.has(s.number) {
			n++
		}
	}
	return n > 1
}
