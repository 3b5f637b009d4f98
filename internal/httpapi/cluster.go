package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/notify"
)

// ClusterStatus is a cluster as one of its nodes sees it: the answer to GET /cluster on the
// admin listener.
type ClusterStatus struct {
	Node       string             `json:"node"`             // that answers
	Server     string             `json:"server,omitempty"` // URL of the NATS server that it is connected to; empty: none
	Message    uint64             `json:"message"`          // the last message of the stream that it has applied
	Nodes      []ClusterNode      `json:"nodes"`            // sorted by name; Lost ones for an hour
	Stream     *ClusterStream     `json:"stream,omitempty"`
	Checkpoint *ClusterCheckpoint `json:"checkpoint,omitempty"` // the newest one; absent: none yet
	Problem    string             `json:"problem,omitempty"`    // the reason for missing members
}

// ClusterNode is a node of a cluster.
type ClusterNode struct {
	Name     string          `json:"name"`
	Version  string          `json:"version"`
	Started  time.Time       `json:"started"`
	Sequence notify.Sequence `json:"sequence"`              // of the last applied entry
	Lag      *float64        `json:"lag_seconds,omitempty"` // time by which it is behind the journal; nil: it is not known
	Ready    bool            `json:"ready"`
	Reason   string          `json:"reason,omitempty"` // the reason why it is not ready
	Hash     string          `json:"hash"`             // the last comparison of states

	Connections *int `json:"connections,omitempty"` // open ones; nil: they are not known

	Heard time.Time `json:"heard"`          // when it last said all this, by the clock of the node that answers
	Lost  bool      `json:"lost,omitempty"` // it has stopped since, or was not heard for five seconds
}

// ClusterStream is the JetStream stream of a cluster's journal.
type ClusterStream struct {
	Name     string `json:"name"`
	Identity string `json:"identity"`
	Leader   string `json:"leader,omitempty"` // name of a NATS server
	Replicas int    `json:"replicas"`
	Current  int    `json:"current_replicas"` // replicas that have all messages
	First    uint64 `json:"first_message"`
	Last     uint64 `json:"last_message"`
	Bytes    uint64 `json:"bytes"`
	MaxBytes int64  `json:"max_bytes,omitempty"` // -1: no limit of the stream itself
}

// ClusterCheckpoint is a copy of the state in the object store.
type ClusterCheckpoint struct {
	Message  uint64          `json:"message"`
	Sequence notify.Sequence `json:"sequence"`
	Node     string          `json:"node"`
	Bytes    uint64          `json:"bytes"`
	Written  time.Time       `json:"written"`
}

// CheckpointWriter makes this node write a checkpoint, and returns it when it is complete. An error is a
// problem for the client.
type CheckpointWriter func(context.Context) (ClusterCheckpoint, error)

// errNoCluster is the answer of a node that is alone.
var errNoCluster = notify.Errorf(notify.ErrNotFound, "this node is not part of a cluster: BELLHOP_NATS_URL is not set")

// clusterTimeout bounds GET /cluster: NATS may not answer.
const clusterTimeout = 5 * time.Second

// cluster serves GET /cluster.
func (o *AdminOptions) cluster(c echo.Context) error {
	if o.Cluster == nil {
		return errNoCluster
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), clusterTimeout)
	defer cancel()
	status := o.Cluster(ctx)
	c.Response().Header()[echo.HeaderCacheControl] = noStore
	return answer(c, http.StatusOK, status)
}

// checkpoint serves POST /cluster/checkpoint. A client that goes away gives the checkpoint up.
func (o *AdminOptions) checkpoint(c echo.Context, reports *reports) error {
	if o.Checkpoint == nil {
		return errNoCluster
	}
	if _, err := readQuery(c.Request().URL.RawQuery); err != nil {
		return err
	}
	if err := o.checkNoBody(c); err != nil {
		return err
	}
	c.Set(actionKey, &action{name: "checkpoint"})
	ctx := c.Request().Context()
	written, err := o.Checkpoint(ctx)
	if err != nil {
		return err
	}
	aim(c, fmt.Sprintf("sequence %d", written.Sequence))
	audit.Done(ctx, o.Logger, reports.line(c, nil))
	return answerNow(c, written)
}
