// Package store keeps the state that the journal's entries add up to: the histories of
// users, topics and everyone, read state, idempotency keys, deferred publishes,
// generations, tickets and revocations. Apply applies entries in the journal's order,
// atomically and durably: when it returns, a power cut loses none of them. All other
// methods read. In a cluster, ApplyAt applies entries together with the position in the
// journal, which still has the entries that a power cut takes from the store. The order of
// entries and the rules of publishing belong to the packages above. Pebble is used here only.
//
// # Terms
//
// An owner has a history: a user, a feed, or everyone. A feed is a topic, or a pattern such
// as "project.*", whose history has the notifications of all its topics. A history is a
// list of items, each of which stands for one notification. Users have items of their own;
// the items of feeds and of everyone are shared by their readers. The read state of shared
// items is kept for each user, as interval sets of sequences.
//
// A history is truncated up to a sequence if retention has removed an item at it. A reader
// with an earlier cursor has a gap, which Page.Removed shows. Expired and recalled
// notifications leave no gap.
//
// # Key space
//
// A key begins with a letter for its kind. Numbers are big-endian, so that keys of one kind
// are in the order of their numbers. "len" is the length of the name that follows, so that
// no name reaches into the range of another one. An owner in a key is "u len user",
// "p len feed" or "a".
//
//	key              value                                     written by; deleted by
//
//	n seq            the notification, or the name of its      Publish, Release; when its last
//	                 only user, whose item has the record      item is removed
//	d id             location of the notification with an ID   with n or w; with R
//	R seq            removal of the notification, after that  when n is deleted; Cleanup
//	                 the only record besides d
//	R seq user       its removal from the history of one of   when the item is removed and n
//	                 several users                            stays; Cleanup
//	r seq            number of histories that have the         when an item is removed; with n
//	                 notification, if one has removed it
//
//	u len user seq   item of a user: read state, replaced ID,  with n; eviction, retention,
//	                 and the record if it is the only user     expiry, Recall, replacement
//	p len feed seq   item of a feed, published to one topic    the same
//	h len feed seq   item of a feed, published to several      the same
//	a seq            item of everyone                          the same
//	m user           history of a user                         with items and changes; when it
//	P feed           history of a feed                         is empty, or has nothing left
//	M                history of everyone                       and space is short
//	i owner seq      inbox change of an owner                  Mark, Recall, replacement; when
//	                 there are too many, or after 31 days
//	c owner hash     sequence of the item with a collapse      Publish; with the item
//	                 key, by 16 bytes of the SHA-256 of it
//
//	b user           read state of everyone's items            Mark; when nothing is left under
//	e len user feed  read state of items of one topic, set     its intervals: by a later Mark, or
//	                 through the feed; without a feed: the     by a Cleanup if space is short
//	                 position of pruning
//	f len user n     read state of items of several topics,
//	                 in block n of sequences
//	j                position of the pruning by Cleanups         Cleanup
//
//	T len user topic when the user hears a topic as a member   Members, UserTopics; when nothing
//	                                                           is left to hear after leaving
//	B len topic user current member; no value                  Members, UserTopics
//
//	F user           preferences of a user                     UserPreferences; when they are
//	                                                           replaced by none
//
//	D seq user       first delivery of a notification to a     Delivered; with n
//	                 user, if a receipt was wanted
//	D seq            size of these records                     the same
//	w ms seq         deferred publish                          Publish; Release, Recall
//	k owner hash     use of an idempotency key of a principal  Publish; Cleanup
//	t hash           ticket, by its SHA-256                    Ticket; Redemption, Cleanup
//	q u user         revocation of a user's tokens             Revocation; Cleanup
//	q j hash         revocation of a token, by the SHA-256 of  the same
//	                 its ID
//	q i hash         the same of one issuer's token            the same
//	G hash           sequence of the last erasure of a user,   Erase; Cleanup after an hour
//	                 by the SHA-256 of the name
//	U user           position of an erasure that is not        Erase; the Erase that completes it
//	                 complete
//	x ms kind ref    expiry of the key "kind ref" of n, i, k,  with that key; Cleanup
//	                 t, q or G; no value
//	g seq            generation                                Generation; when a loss is found
//	s                state of the store as a whole             every transaction
//	C                sizes by content; of this node alone      every transaction
//	y                spans of applied sequences                every transaction (merged)
//	l seq            loss found at a start, up to a sequence   Open
//	o                random identity of the store              Open
//	v                format of the store                       Open
//	E                sequence up to which erased data has      Purge
//	                 left the files; of this node alone
//	z                position in a cluster's journal, and      every transaction of a
//	                 the running hash                          replicated store
//	Z seq            running hash at a sequence                the same; the oldest is deleted
//
// # Locks
//
// The mu of sequenceIndex is held before the mu of feedSequences. No other two locks of this
// package are held together: those of snapshots, of revocations, and these. No lock is held
// while Pebble reads or writes the disk, because Apply needs each of them for a moment.
// Creating a snapshot under the mu of snapshots takes Pebble's own locks and no disk access.
//
// # Order of a transaction
//
// Apply commits the batch, raises the watermark, and then updates the state in memory:
// revocations, generations, the current snapshot, the index. Readers that see a transaction
// in a snapshot before Apply returns must not deliver it: they bound each read by the
// journal's durable sequence.
package store
