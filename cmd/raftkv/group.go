package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func newGroup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "List, add and remove the groups that share the slots",
		Example: `  raftkv group list
  raftkv group add --nodes n1,n2,n3
  raftkv group remove 4    # when it owns no slots any more`,
	}
	family(cmd, newGroupList(), newGroupAdd(), newGroupRemove())
	return cmd
}

// parseGroup reads the number of a group.
func parseGroup(text string) (uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, misuse{fmt.Errorf("%q is no number of a group; `raftkv group list` shows them", text)}
	}
	return uint32(id), nil
}
