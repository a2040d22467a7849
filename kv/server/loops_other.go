//go:build !linux

package server

// Where there is no epoll, every connection has a goroutine of its own.
type (
	loops  struct{}
	looped struct{}
)

func (s *Server) startLoops()      {}
func (s *Server) adopt(*conn) bool { return false }
func (c *conn) leave() bool        { return false }
