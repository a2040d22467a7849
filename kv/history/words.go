package history

import (
	"strconv"

	"raftkv/kv"
)

// Command returns the step as a client sends it. Nobody sends an Expire.
func (s *Step) Command() []string {
	switch s.Kind {
	case Set:
		if s.TTL > 0 {
			return []string{"SET", s.Key, s.Value, "PX", strconv.FormatInt(s.TTL, 10)}
		}
		return []string{"SET", s.Key, s.Value}
	case Append:
		return []string{"APPEND", s.Key, s.Value}
	case Swap:
		return []string{"SET", s.Key, s.Value, "IFEQ", s.Old}
	case Delete:
		return []string{"DEL", s.Key}
	case Incr:
		return []string{"INCR", s.Key}
	}
	return []string{"GET", s.Key}
}

// Answered notes what was answered: the reply to the one step's command, or EXEC's.
func (o *Operation) Answered(reply *kv.Reply) {
	if len(o.Steps) == 1 {
		o.Steps[0].answered(reply)
		return
	}
	for i := range min(len(o.Steps), len(reply.Elems)) {
		o.Steps[i].answered(&reply.Elems[i])
	}
}

func (s *Step) answered(r *kv.Reply) {
	switch s.Kind {
	case Get:
		s.Found, s.Got = r.Kind != kv.Nil, string(r.Str)
	case Append, Incr:
		s.Number = r.Int
	case Swap:
		s.Found = r.Kind != kv.Nil
	case Delete:
		s.Found = r.Int == 1
	}
}
