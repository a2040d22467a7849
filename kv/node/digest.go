package node

import "raftkv/kv"

// Digest sums up the replicas on this node.
func (n *Node) Digest() (kv.Digest, error) {
	out := kv.Digest{Node: n.config.ID, Groups: []kv.GroupDigest{}}
	for _, g := range *n.groups.Load() {
		d, err := g.State().Digest()
		if err != nil {
			return out, err
		}
		d.Replica, d.Serving = string(g.Replica()), g.Serving()
		out.Groups = append(out.Groups, d)
	}
	return out, nil
}
