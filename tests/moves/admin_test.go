// Package moves runs clusters whose slots move between groups while clients work
// and nodes die: no key, no count and no session may be lost or doubled.
package moves

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/shard"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// moving are the slots that the tests move; group 1 of three has them at first.
var moving = shard.Range{0, 99}

// keysIn returns n keys of slots in r, in as many slots as there are.
func keysIn(r shard.Range, prefix string, n int) (out []string) {
	for i := 0; len(out) < n; i++ {
		if key := fmt.Sprint(prefix, i); r.Contains(shard.Slot([]byte(key))) {
			out = append(out, key)
		}
	}
	return out
}

// ask sends a request to the HTTP address of a node. out is what the answer is
// decoded into, or nil.
func ask(addr, method, path, body string, out any) error {
	request, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 12 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// askAny asks nodes that run, one after the other, until one does what is asked.
func askAny(c *cluster.Cluster, method, path, body string, out any) error {
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	errs := []error{errors.New("no node has done it")}
	for _, n := range nodes {
		if n.State() != launch.Running {
			continue
		}
		err := ask(n.HTTP, method, path, body, out)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// still starts a cluster of three nodes and groups in which nothing moves by
// itself.
func still(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := cluster.Start(t, cluster.Options{Groups: 3, Flags: []string{"--replay-budget=100ms"}})
	c.Eventually("a cluster that does not balance itself", func() error {
		return askAny(c, http.MethodPut, "/v1/balance", `{"on":false}`, nil)
	})
	c.Eventually("a still cluster", func() error {
		m, err := mapOf(c)
		if err == nil && len(m.Migrations) > 0 {
			err = fmt.Errorf("there are migrations: %+v", m.Migrations)
		}
		return err
	})
	return c
}

func mapOf(c *cluster.Cluster) (*shard.Map, error) {
	m := new(shard.Map)
	return m, askAny(c, http.MethodGet, "/v1/map", "", m)
}

// move begins to move the moving slots to a group, and returns the migration.
func move(c *cluster.Cluster, to uint32) (epoch uint64, err error) {
	var answer kv.Move
	err = askAny(c, http.MethodPost, "/v1/migrations", fmt.Sprintf(`{"slots":[[%d,%d]],"to":%d}`, moving.From(), moving.To(), to), &answer)
	if err == nil && len(answer.Migrations) != 1 {
		err = fmt.Errorf("%d migrations began", len(answer.Migrations))
	}
	if err != nil {
		return 0, err
	}
	return answer.Migrations[0].Epoch, nil
}

// settled tells whether a node's map has no migration, and the moving slots with
// a group.
func settled(m *shard.Map, group uint32) error {
	if len(m.Migrations) > 0 {
		return fmt.Errorf("map %d has migrations %+v", m.Epoch, m.Migrations)
	}
	for slot := moving.From(); slot <= moving.To(); slot++ {
		if m.Owner[slot] != group {
			return fmt.Errorf("map %d: slot %d belongs to group %d, not to %d", m.Epoch, slot, m.Owner[slot], group)
		}
	}
	return nil
}

// leaders returns the node that leads each group, 0 included.
func leaders(c *cluster.Cluster) (map[uint32]string, error) {
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	out := make(map[uint32]string)
	for _, g := range status.Groups {
		serves := slices.ContainsFunc(g.Replicas, func(r kv.ReplicaStatus) bool { return r.Node == g.Leader && r.Role == kv.RoleLeader })
		if !serves {
			return nil, fmt.Errorf("group %d has no leader", g.ID)
		}
		out[g.ID] = g.Leader
	}
	if len(out) != 4 {
		return nil, fmt.Errorf("%d groups are known", len(out))
	}
	return out, nil
}

// lead makes a node lead a group.
func lead(c *cluster.Cluster, group uint32, node string) {
	c.Eventually(fmt.Sprintf("%s to lead group %d", node, group), func() error {
		now, err := leaders(c)
		if err != nil || now[group] == node {
			return err
		}
		err = askAny(c, http.MethodPost, fmt.Sprintf("/v1/groups/%d/leader", group), fmt.Sprintf(`{"node":%q}`, node), nil)
		if err == nil {
			err = errors.New("it is on its way")
		}
		return err
	})
}
