package peers

import (
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// Node is the state of a node, as it was in its last beat.
type Node struct {
	Name     string
	Instance string // random; a new one for each process
	Version  string // of the program
	Rules    uint32 // the latest version of the rules that it can apply
	Started  time.Time
	State
	Stopped bool // this beat is its last

	Heard  time.Time // when its last beat arrived, by the clock of this node
	Silent bool      // it was not heard of late, and since this node hears nobody it may still be running
	Lost   time.Time // since when this node takes it for lost: it has stopped, or was not heard of although this node hears others; zero: it does not
}

// State is the part of a Node that changes.
type State struct {
	Sequence notify.Sequence // of the last applied entry
	Lag      time.Duration   // time by which the node is behind the journal
	Fault    string          // the reason why the node is not ready; empty: it is ready
	Diverged bool            // its state differs from that of the other nodes

	Witnessed  notify.Sequence // of the last comparison of states; 0: none yet
	Agree      int             // number of nodes that had the same state then, without this one
	Contradict int             // number of nodes that had another state

	Connections int // open connections; negative: the node, of an earlier version, does not say

	// Message is the sequence of the last message of the journal that was applied. Messages without entries leave
	// Sequence as it is. 0: the node, of an earlier version, does not say.
	Message uint64

	// CutOff says that the node is cut off from the journal, so that Lag is not known. It is not part of a beat,
	// since hardly anybody would hear that.
	CutOff bool
}

// precedes reports whether n was started before other. Of two nodes with the same name, the
// later one must not serve.
func (n *Node) precedes(other *Node) bool {
	if !n.Started.Equal(other.Started) {
		return n.Started.Before(other.Started)
	}
	return n.Instance < other.Instance
}

// payloadVersion is the version of all payloads. Payloads of other versions are ignored.
const payloadVersion = 1

// maxFault limits the length of the Fault in a beat.
const maxFault = 500

func appendBeat(dst []byte, n *Node) []byte {
	dst = append(dst, payloadVersion)
	dst = pack.AppendString(dst, n.Name)
	dst = pack.AppendString(dst, n.Instance)
	dst = pack.AppendString(dst, n.Version)
	dst = pack.AppendUint(dst, uint64(n.Rules))
	dst = pack.AppendInstant(dst, n.Started)
	dst = pack.AppendUint(dst, uint64(n.Sequence))
	dst = pack.AppendInt(dst, int64(n.Lag))
	dst = pack.AppendString(dst, n.Fault[:min(len(n.Fault), maxFault)])
	dst = pack.AppendBool(dst, n.Diverged)
	dst = pack.AppendUint(dst, uint64(n.Witnessed))
	dst = pack.AppendUint(dst, uint64(n.Agree))      //nolint:gosec // a number of nodes
	dst = pack.AppendUint(dst, uint64(n.Contradict)) //nolint:gosec // a number of nodes
	dst = pack.AppendInt(dst, int64(n.Connections))
	dst = pack.AppendUint(dst, n.Message)
	return pack.AppendBool(dst, n.Stopped)
}

// readBeat decodes a beat. A later version may add fields at the end.
func readBeat(b []byte) (n Node, ok bool) {
	r := pack.NewReader(b)
	if r.Byte() != payloadVersion {
		return n, false
	}
	n.Name, n.Instance, n.Version = r.String(), r.String(), r.String()
	n.Rules = r.Uint32()
	n.Started = r.Instant()
	n.Sequence = notify.Sequence(r.Uint())
	n.Lag = time.Duration(r.Int())
	n.Fault, n.Diverged = r.String(), r.Bool()
	n.Witnessed = notify.Sequence(r.Uint())
	n.Agree, n.Contradict = int(r.Uint32()), int(r.Uint32())
	n.Connections = -1
	if r.Len() > 0 {
		n.Connections = int(r.Int())
	}
	if r.Len() > 0 {
		n.Message = r.Uint()
	}
	if r.Len() > 0 {
		n.Stopped = r.Bool()
	}
	return n, r.Err() == nil && n.Name != "" && n.Instance != ""
}
