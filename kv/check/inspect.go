package check

import "context"

// inspect compares the replicas of all groups.
func (r *Report) inspect(ctx context.Context, c *cluster) {
	r.drop(Replicas)
	r.drop(Ownership)
}
