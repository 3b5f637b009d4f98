package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/bellhop/bellhop/internal/httpapi"
)

type clusterStatusCommand struct {
	JSON bool          `help:"print the answer of the node as JSON"`
	Wait time.Duration `placeholder:"DURATION" help:"wait until all nodes are ready and all replicas are current, for this time at most, such as 5m"`

	Nodes uint `placeholder:"NUMBER" help:"the number of nodes that the cluster should have: fail if fewer are ready. Otherwise all must be ready that the asked node has heard of within the last hour"`

	admin `embed:""`
}

// clusterTimeout is the time that a node has to answer: it asks NATS.
const clusterTimeout = 10 * time.Second

// Run prints the cluster as a node sees it, or saw it when it answered for the last time. It fails
// if a node is not ready.
func (c *clusterStatusCommand) Run(t *terminal) error {
	base, err := c.resolve(t)
	if err != nil {
		return err
	}
	var body []byte // of the last answer
	var status *httpapi.ClusterStatus
	answered := false
	waited := t.retry(c.Wait, func(ctx context.Context) error {
		answer, read, err := readCluster(ctx, base)
		if answered = err == nil; !answered {
			return err
		}
		if body, status = answer, read; c.Wait == 0 {
			return nil
		}
		return c.incomplete(status)
	})
	if status != nil && !answered {
		t.note("the node has stopped answering; its last answer was:")
	}
	switch {
	case status == nil:
		return waited
	case c.JSON:
		_, err = fmt.Fprintf(t.stdout, "%s\n", body)
	default:
		err = printCluster(t.stdout, status)
	}
	switch {
	case waited != nil:
		return waited
	case err != nil:
		return err
	}
	return c.unready(status)
}

func readCluster(ctx context.Context, base string) (body []byte, status *httpapi.ClusterStatus, err error) {
	if body, err = getAdmin(ctx, base+"/cluster"); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	return body, status, nil
}

// incomplete returns why a cluster cannot lose a node or a NATS server now.
func (c *clusterStatusCommand) incomplete(s *httpapi.ClusterStatus) error {
	if err := c.unready(s); err != nil {
		return err
	}
	if s.Stream != nil && s.Stream.Current < s.Stream.Replicas {
		return fmt.Errorf("%d of %d replicas are current", s.Stream.Current, s.Stream.Replicas)
	}
	return nil
}

// unready returns why a cluster, or one of its nodes, is not ready. Lost nodes count unless the expected number of nodes
// is known.
func (c *clusterStatusCommand) unready(s *httpapi.ClusterStatus) error {
	var ready, notReady uint
	for _, n := range s.Nodes {
		switch {
		case n.Ready:
			ready++
		case c.Nodes == 0 || !n.Lost:
			notReady++
		}
	}
	switch {
	case s.Problem != "":
		return fmt.Errorf("%s", printable(s.Problem))
	case notReady > 0:
		return fmt.Errorf("%d of %d nodes are not ready", notReady, ready+notReady)
	case ready < c.Nodes:
		return fmt.Errorf("%d nodes are ready instead of %d", ready, c.Nodes)
	}
	return nil
}

func getAdmin(ctx context.Context, url string) ([]byte, error) {
	return requestAdmin(ctx, http.MethodGet, url)
}

func requestAdmin(ctx context.Context, method, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	return waitAdmin(ctx, method, url)
}

// waitAdmin is requestAdmin without a limit on the time of the answer.
func waitAdmin(ctx context.Context, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: refuseRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, problemOf(resp.StatusCode, "", body)
	}
	return body, nil
}

// printCluster prints a table of the nodes and a line for everything else.
func printCluster(w io.Writer, s *httpapi.ClusterStatus) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NODE\tVERSION\tSEQUENCE\tLAG\tCONNECTIONS\tREADY\tSTATES") // Flush returns the error
	for _, n := range s.Nodes {
		ready := "yes"
		if !n.Ready {
			ready = "no: " + n.Reason
		}
		connections := "?"
		if n.Connections != nil {
			connections = strconv.Itoa(*n.Connections)
		}
		lag := "?"
		if n.Lag != nil {
			lag = time.Duration(*n.Lag * float64(time.Second)).Round(time.Millisecond).String()
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
			printable(n.Name), printable(n.Version), n.Sequence, lag, connections, printable(ready), printable(n.Hash))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if x := s.Stream; x != nil {
		leader := x.Leader
		if leader == "" {
			leader = "none"
		}
		_, _ = fmt.Fprintf(w, "journal: stream %s, messages %d to %d, %d bytes, leader %s, %d of %d replicas current, identity %s\n",
			printable(x.Name), x.First, x.Last, x.Bytes, printable(leader), x.Current, x.Replicas, printable(x.Identity)) // the last print returns the error
	}
	checkpoint := "none"
	if cp := s.Checkpoint; cp != nil {
		checkpoint = describeCheckpoint(cp)
	}
	_, err := fmt.Fprintf(w, "last checkpoint: %s\n", checkpoint)
	return err
}
