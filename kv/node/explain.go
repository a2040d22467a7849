package node

import (
	"context"
	"encoding/json"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/plan"
)

// PlanNow returns what the planner would do now, and why it does no more. Nothing
// is done. Any node may be asked.
func (n *Node) PlanNow(ctx context.Context) (out kv.PlanStatus, err error) {
	answer, err := n.askController(ctx, callPlan, func() ([]byte, error) { return n.servePlan() })
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	return out, err
}

// servePlan makes a plan, on the controller's leader.
func (n *Node) servePlan() ([]byte, error) {
	g := n.group(shard.Controller)
	if g == nil || !g.Serving() {
		return nil, errNoController
	}
	in := n.planInput(g)
	actions, notes := plan.Explain(in)
	out := kv.PlanStatus{Epoch: in.Map.Epoch, Balance: in.Map.Balance, Actions: inWords(actions), IfOn: inWords(nil), Notes: notes}
	if !in.Map.Balance {
		out.IfOn = inWords(plan.IfOn(in, actions))
	}
	return json.Marshal(out)
}

// inWords puts actions into words.
func inWords(actions []plan.Action) []kv.PlannedAction {
	out := []kv.PlannedAction{}
	for _, a := range actions {
		out = append(out, kv.PlannedAction{Kind: string(a.Kind), Text: a.String()})
	}
	return out
}

// askController calls the node that leads group 0, or answers here.
func (n *Node) askController(ctx context.Context, method uint8, here func() ([]byte, error)) ([]byte, error) {
	g := n.group(shard.Controller)
	if g == nil {
		return nil, errStarting
	}
	if g.Serving() {
		return here()
	}
	leader := string(g.LeaderPeer())
	if leader == "" || leader == n.config.Peer {
		return nil, errNoController
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return n.transport.Call(ctx, leader, method, nil)
}
