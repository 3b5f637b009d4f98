package notify

// Position says up to which message of a cluster's journal a store has applied it. The
// zero Position is that of a store that has applied no message.
type Position struct {
	Journal string   // identity of the journal: that of its stream, in hexadecimal
	Message uint64   // sequence of the last applied message in the stream
	Digest  [32]byte // of the content and the time of that message
}

// RunningHash is a hash of all entries of a cluster's journal up to one of them, with
// their times, and of what applying them has made of the state. Nodes with equal hashes
// at a sequence have applied the same entries with the same outcome.
type RunningHash [32]byte

// Witness is the running hash of a node. It changes nothing. The nodes compare the hashes
// with their own ones, so that a node whose state differs from that of the others finds
// out.
type Witness struct {
	Node     string   // that appended it
	Sequence Sequence // of the last entry that the hash contains
	Hash     RunningHash
}
